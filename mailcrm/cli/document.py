"""``mailcrm document``: list, show, pdf, add, hand-over."""

from __future__ import annotations

import re
import secrets
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from mailcrm.app import document_shapes
from mailcrm.app import documents as verbs
from mailcrm.builtin.documents import Wanted
from mailcrm.cli.desk import Desk, desk, done
from mailcrm.cli.options import Currency, Deal, DryRun, Json, Org, Owner, Person
from mailcrm.cli.output import emit_one, say
from mailcrm.errors import MailcrmError, Refused
from mailcrm.store import documents

app = typer.Typer(no_args_is_help=True, help="Invoices and offers.")
DocumentArgument = Annotated[str, typer.Argument(metavar="DOCUMENT", help="Its number (FV/2026/0001) or id.")]
Kind = Literal["invoice", "offer"]
Series = Annotated[str | None, typer.Option(help="One of documents.series in config.toml.")]
_MOST_PARTS = 4


@app.command("list")
def list_(
    ctx: typer.Context,
    kind: Annotated[Kind | None, typer.Option(help="Only these.")] = None,
    series: Series = None,
    person: Person = None,
    org: Org = None,
    deal: Deal = None,
    owner: Owner = None,
    as_json: Json = False,
) -> None:
    """List documents."""
    at = desk(ctx)
    query = documents.ids(
        kind=kind,
        series=series,
        person=at.maybe("person", person) or None,
        organization=at.maybe("organization", org) or None,
        deal=at.maybe("deal", deal) or None,
        owner=at.user(owner) or None,
    )
    columns = ["id", "name", "issued_on", "due_on", "person", "organization", "gross", "currency", "owner", "handed_as"]
    at.list(query, document_shapes.listed, as_json, columns)


@app.command()
def show(ctx: typer.Context, document: DocumentArgument, as_json: Json = False) -> None:
    """Show a document with its lines and sums."""
    at = desk(ctx)
    row = verbs.stored(at.context, _find(at, document))
    at.show(lambda connection: document_shapes.page(connection, row), as_json)


@app.command()
def pdf(
    ctx: typer.Context,
    document: DocumentArgument,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="- is standard output.")] = None,
) -> None:
    """Write its PDF into a file; prints where."""
    at = desk(ctx)
    number = _find(at, document)
    content = verbs.made(at.context, number)
    if str(out) == "-":
        sys.stdout.buffer.write(content)
        return
    target = out or Path(re.sub(r"[^\w.-]+", "-", verbs.stored(at.context, number).name).lstrip(".") + ".pdf")
    try:
        target.write_bytes(content)
    except OSError as error:
        raise Refused(f"can't write {target}: {error.strerror}; name another file by --out") from None
    typer.echo(str(target))


@app.command()
def add(
    ctx: typer.Context,
    kind: Annotated[Kind, typer.Option(help="invoice or offer.")],
    line: Annotated[list[str], typer.Option(metavar="LINE", help='"Consulting | 180.50 | 7.5 h | 23", each its own.')],
    person: Person = None,
    org: Org = None,
    deal: Deal = None,
    series: Series = None,
    currency: Currency = None,
    within: Annotated[str | None, typer.Option("--pay-within", metavar="SPAN", help="Until when: 2w.")] = None,
    note: Annotated[str | None, typer.Option(metavar="TEXT", help="Stands at its end.")] = None,
    language: Annotated[Literal["en", "pl"] | None, typer.Option(help="pl or en.")] = None,
    owner: Owner = None,
    key: Annotated[str | None, typer.Option(metavar="KEY", help="Said again, the same document is meant.")] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Issue a document, make its PDF and hand it over; prints the id.

    A line is its description, the price of one without tax, and if need be quantity with unit, and tax (percent, or
    exempt), with | between them.
    """
    at = desk(ctx)
    wanted = Wanted(
        kind=kind,
        lines=[_line(each) for each in line],
        series=series,
        currency=currency,
        within=within,
        note=note,
        language=language,
        person=at.maybe("person", person) or None,
        organization=at.maybe("organization", org) or None,
        deal=at.maybe("deal", deal) or None,
    )
    if dry_run:
        at.show(lambda connection: verbs.planned(connection, at.context, wanted), as_json)
        return
    if key is not None and not 0 < len(key) <= 60:
        raise Refused("--key must have 1 to 60 characters")
    made = f"given:{key}" if key else f"hand:{secrets.token_hex(12)}"
    number = verbs.add(at.context, at.actor, wanted, made, at.user(owner) or None)
    try:
        verbs.file(at.context, number)
    except MailcrmError as error:
        name = verbs.stored(at.context, number).name
        mend = f"`mailcrm document hand-over {number}` tries again"
        raise type(error)(f"{name} is issued (document {number}), but not handed over: {error}; {mend}") from None
    done(at, number, as_json, document_shapes.listed)


@app.command()
def hand_over(ctx: typer.Context, document: DocumentArgument, as_json: Json = False) -> None:
    """Hand a document to the plugins that ask for documents, again if need be; prints what it is called there."""
    at = desk(ctx)
    number = _find(at, document)
    verbs.file(at.context, number)
    if not at.context.plugins.has("hand_over_document"):
        say("no plugin takes documents; the PDF is kept in data_dir (`mailcrm document pdf` writes it to a file)")
    if not as_json:
        if handed_as := verbs.stored(at.context, number).handed_as:
            typer.echo(handed_as)
        return
    with at.context.db.read() as connection:
        emit_one(document_shapes.listed(connection, [number])[0], as_json=True)


def _find(at: Desk, given: str) -> int:
    with at.context.db.read() as connection:
        return documents.meant(connection, given)


def _line(given: str) -> dict[str, Any]:
    """Its parts; what is wrong with them is told with all that is wrong with the document."""
    description, *rest = (part.strip() for part in given.split("|"))
    found: dict[str, Any] = {"description": description, "price": rest[0] if rest else None}
    found |= {f"further part {part!r:.40}": part for part in rest[_MOST_PARTS - 1 :]}
    if len(rest) > 1 and rest[1]:
        match = re.match(r"[\d\s.,]+", rest[1])
        quantity = match[0] if match else ""
        found |= {"quantity": quantity, "unit": rest[1][len(quantity) :]}
    return found | ({"tax": rest[2]} if len(rest) > 2 else {})
