"""A campaign seen before it is launched: what would be done for one who was chosen, and what he would be sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from mailcrm.app import campaign_book as book
from mailcrm.app import planning
from mailcrm.app.context import Context
from mailcrm.builtin import documents, scripts, variables, writing
from mailcrm.builtin.documents import Wanted
from mailcrm.builtin.whom import Records
from mailcrm.config import User
from mailcrm.core.campaigns import Recipient, expanded
from mailcrm.core.definitions import to_flow
from mailcrm.core.flow import Action, Do
from mailcrm.core.letters import Letter, fill, render
from mailcrm.errors import MailcrmError, Refused
from mailcrm.store import campaigns, flows, members, users
from mailcrm.store import planning as facts

_UNTIL_THEN = ("deal", "document")
"""What is made only when it is launched: shown by the names of its variables."""


@dataclass(frozen=True, slots=True)
class Previewed:
    """What would be done for one recipient.

    Args:
        recipient: his address; where nothing is mailed, the record: ``person:3``.
        sender: the key of the user in whose name it is.
        problem: why he would be left out, or it would fail; "": it would not.
        made: what is made for him, in words; "": nothing, or it is his member's other recipient whom it is made for.
        letter: the mail; None: there is none.
    """

    recipient: str
    sender: str | None
    problem: str = ""
    made: str = ""
    letter: Letter | None = None


def preview(context: Context, name: str, member: str | None = None) -> list[Previewed]:
    """What a campaign would do now for one who was chosen; nothing is stored.

    Args:
        member: ``person:3``, ``organization:7``, ``lead:2``; None: the first who was chosen.

    Returns:
        One for each recipient that he makes; of a member whose record was removed none.

    Raises:
        NotFound: there is no such campaign.
        Refused: it may be several, or he was not chosen.
    """
    with context.db.read() as connection:
        stored = flows.find(connection, name, campaigns.KINDS)
        number = members.first(connection, stored.id, member)
        if number is None:
            raise Refused(
                f"{member or 'nobody'} was not chosen for {stored.name!r}; `mailcrm campaign recipients` adds"
            )
        definition = book.definition(connection, context, stored)
        batch = facts.batch(connection, stored.id, number - 1, 1)
        senders = planning.senders_of(connection, stored, campaigns.get(connection, stored.id))
        node = to_flow(definition, context.registry, id=stored.id, version=stored.version).nodes["campaign"]
        assert isinstance(node, Do), "it is compiled to one"
        keys = {each.id: each.key for each in users.every(connection)}
        found = expanded(definition, batch.members, senders)
        return [_of(context, connection, each, node.actions, keys) for each in found]


def _of(
    context: Context, connection: Connection, each: Recipient, actions: tuple[Action, ...], keys: Mapping[int, str]
) -> Previewed:
    shown = Previewed(each.address or each.key, keys.get(each.user or 0), each.reason)
    if each.reason:
        return shown
    made: list[str] = []
    try:
        rep = context.config.users.get(keys.get(each.user or 0, ""))
        if rep is None:
            raise Refused(f"{shown.sender} writes no mail any more; give the campaign another sender")
        about = Records(each.person or _behind(connection, each), each.organization, None, each.lead)
        for action in actions:
            if action.name == "mail.send":
                shown = replace(shown, letter=_letter(context, connection, action.args, each, about, rep))
            else:
                made += _made(context, connection, action, each, about, rep)
    except MailcrmError as error:
        shown = replace(shown, problem=str(error))
    return replace(shown, made="\n".join(made))


def _behind(connection: Connection, each: Recipient) -> int | None:
    return members.behind(connection, each.member)[0]


def _made(
    context: Context, connection: Connection, action: Action, each: Recipient, about: Records, rep: User
) -> Iterator[str]:
    """The records that an action makes."""
    args = action.args
    match action.name:
        case "activity.create":
            note = scripts.note(connection, context.config, args, about, each.user)
            yield "\n\n".join(filter(None, (str(args["activity"]), note)))
        case "deal.create":
            title = fill(args["title"], variables.of(connection, about, rep, "", args["title"]))
            yield " ".join(filter(None, ("deal:", title, args.get("value"), args.get("currency"))))
        case "document.create":
            wanted = Wanted(
                kind=args["kind"],
                lines=args["lines"],
                series=args.get("series"),
                currency=args.get("currency"),
                within=args.get("pay_within"),
                person=each.person,
                organization=each.organization,
                lead=each.lead,
            )
            draft = documents.draft(connection, context.config, wanted, context.clock())
            due = documents.due_on(context.config, draft.issued_on, draft.within)
            yield f"{draft.kind}: {draft.totals.gross} {draft.currency}, {due}"


def _letter(
    context: Context, connection: Connection, args: Mapping[str, Any], each: Recipient, about: Records, rep: User
) -> Letter:
    template = writing.template_of(connection, context.blobs, args, each.variant)
    parts = (template.subject, template.body, template.html or "")
    later = {root: values for root, values in variables.samples(*parts).items() if root in _UNTIL_THEN}
    values = variables.of(connection, about, rep, rep.signature, *parts) | later
    values["unsubscribe"] = {"url": f"{context.config.web.base_url.rstrip('/')}/u/{'0' * 32}"}  # leads nowhere
    return render(template.subject, template.body, values, rep.signature, template.html, template.images)
