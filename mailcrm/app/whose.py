"""Whose address something is."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection

from mailcrm.app.context import Context
from mailcrm.core import linking
from mailcrm.core.addresses import without_dots, without_tag
from mailcrm.store import lookup


def persons(connection: Connection, context: Context, addresses: Iterable[str], at: datetime) -> dict[str, int]:
    """Normalised address -> the person whose it was at that time; with a plus-tag, it is his without it too."""
    wanted = set(addresses)
    dots = context.config.linking.gmail_dots
    plain = {without_tag(each) for each in wanted}
    forms = wanted | plain | ({f"~{without_dots(each)}" for each in plain} if dots else set())
    book = lookup.cards(connection, forms)
    found = {each: linking.match_person(each, at, book, gmail_dots=dots) for each in wanted}
    return {each: match[0].person for each, match in found.items() if match is not None}
