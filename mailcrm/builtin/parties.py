"""Who sells and who buys, as an invoice or offer names them: from the configuration, and from the records."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection

from mailcrm.config_documents import Documents
from mailcrm.core.documents import Kind, Party
from mailcrm.core.letters import is_address
from mailcrm.errors import Refused
from mailcrm.store import deals, fields, leads, organizations, people
from mailcrm.store.fields import Record

LANGUAGES = ("pl", "en")
_LONG, _SHORT = 1_000, 200


@dataclass(frozen=True, slots=True)
class Buyer:
    """Who buys, and the records that it was read from; without an organization it is the person."""

    party: Party
    person: int | None
    organization: int | None
    language: str | None


def seller(given: Documents) -> Party:
    """Who sells: the configuration's."""
    return Party(
        _text(given.name, _SHORT),
        _lines(given.address),
        _text(given.tax_id, 40),
        given.country,
        _text(given.bank_account, 60),
        _text(given.contact, _SHORT),
    )


def buyer(
    connection: Connection, person: int | None, organization: int | None, deal: int | None, lead: int | None
) -> Buyer:
    """Who buys: the organization, which is the deal's, lead's or person's unless given; without one, the person.

    Its fields ``legal_name``, ``address``, ``postcode``, ``city``, ``country``, ``tax_id`` and ``language`` are read.

    Raises:
        Refused: there is neither.
    """
    for found in (
        deals.rows(connection, [deal]).get(deal) if deal is not None else None,
        leads.rows(connection, [lead]).get(lead) if lead is not None else None,
    ):
        if found is not None:
            organization, person = organization or found.organization_id, person or found.person_id
    his = people.rows(connection, [person])[person] if person is not None else None
    if organization is None and his is not None:
        organization = his.organization_id
    own = fields.of(connection, "person", [person]).get(person, {}) if person is not None else {}
    if organization is not None:
        name = organizations.rows(connection, [organization])[organization].name
        given = fields.of(connection, "organization", [organization]).get(organization, {})
        emails = organizations.emails(connection, [organization]).get(organization, [])
    elif his is not None and person is not None:
        name, given = "" if is_address(his.name) else his.name, own
        emails = people.emails(connection, [person]).get(person, [])
    else:
        raise Refused("a document is for somebody; name a person or an organization")
    spoken = given.get("language") or own.get("language")
    return Buyer(_party(name, given, next(iter(emails), "")), person, organization, str(spoken) if spoken else None)


def check(given: Documents, kind: Kind, sells: Party, buys: Buyer, *, exempt: bool) -> None:
    """See that nothing is missing that law wants in a document (Directive 2006/112/EC, article 226).

    Raises:
        Refused: naming everything that is.
    """
    record: Record = "organization" if buys.organization is not None else "person"
    option = f"--{'org' if record == 'organization' else 'person'} {buys.organization or buys.person}"
    missing = unset(given, kind, sells, exempt=exempt)
    if not buys.party.name:
        missing.append(f"the name of {record} {buys.organization or buys.person}")
    if kind is Kind.INVOICE:
        missing += [
            f"the buyer's {key} (mailcrm field set {key} … {option})"
            for key in given.buyer_needs
            if not getattr(buys.party, key) and (record == "organization" or key != "tax_id")
        ]
    if missing:
        raise Refused(f"the {kind} lacks {'; '.join(missing)}")


def unset(given: Documents, kind: Kind, sells: Party, *, exempt: bool) -> list[str]:
    """What is missing whoever buys: it is to be written into the configuration."""
    missing = [] if sells.name else ["the seller's name (documents.name in config.toml)"]
    if kind is Kind.INVOICE:
        missing += [
            f"the seller's {what} (documents.{key} in config.toml)"
            for key, what in (("address", "address"), ("tax_id", "tax number"))
            if not getattr(sells, key)
        ]
        if exempt and not given.exempt:
            missing.append("the law that exempts from tax (documents.exempt in config.toml)")
    return missing


def written(party: Party) -> dict[str, str]:
    """A party as it is stored: what is empty is left out."""
    return {"name": party.name} | {name: value for name, value in asdict(party).items() if value}


def currency(given: str) -> str:
    """A currency's three letters. Raises Refused."""
    code = given.strip().upper()
    if not re.fullmatch(r"[A-Z]{3}", code):
        raise Refused(f"{given!r:.40} is no currency; write its three letters, such as PLN")
    return code


def language(given: str) -> str:
    """The language that a document is written in: ``pl``, or else ``en``."""
    code = given.strip().casefold().replace("_", "-").partition("-")[0]
    return code if code in LANGUAGES else "en"


def _party(name: str, given: Mapping[str, Any], email: str) -> Party:
    found = {key: _text(given.get(key), _SHORT) for key in ("legal_name", "tax_id", "postcode", "city", "country")}
    place = " ".join(part for part in (found["postcode"], found["city"]) if part)
    address = "\n".join(part for part in (_lines(str(given.get("address") or "")), place) if part)
    return Party(
        found["legal_name"] or _text(name, _SHORT), address, found["tax_id"][:40], found["country"][:60], "", email
    )


def _lines(text: str) -> str:
    """An address as it is written: one or more lines, with commas left as they are."""
    rows = [_text(row, _SHORT) for row in text[:_LONG].splitlines()]
    return "\n".join(row for row in rows if row)


def _text(given: Any, most: int) -> str:
    """On one line, without what can't be printed."""
    text = "".join(each if each.isprintable() else " " for each in str(given or "")[:_LONG])
    return " ".join(text.split())[:most]
