"""Addresses that are not to be stored again, known by keyed hashes alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select

from mailcrm.core.addresses import without_tag
from mailcrm.core.tokens import keyed_hash
from mailcrm.store.db import Lookup, insert_new, slices
from mailcrm.store.messages import canonical
from mailcrm.store.tables import unwanted_address

_UNWANTED = Lookup(select(unwanted_address), unwanted_address.c.hash)


@dataclass(frozen=True, slots=True)
class Unwanted:
    """Why an address is unwanted (``undone`` or ``erased``), and since when."""

    reason: str
    at: datetime


def remember(connection: Connection, secret: bytes, addresses: Iterable[str], reason: str, now: datetime) -> None:
    """Note that these normalised addresses, in every spelling of theirs, are not to be stored again."""
    hashes = {hashed for address in addresses for hashed in spellings(secret, address)}
    if hashes:
        if reason == "erased":  # weighs more than an earlier undo
            forget_hashes(connection, hashes)
        rows = [{"hash": hashed, "reason": reason, "at": now} for hashed in sorted(hashes)]
        connection.execute(insert_new(connection, unwanted_address), rows)


def among(connection: Connection, secret: bytes, addresses: Iterable[str]) -> Mapping[str, Unwanted]:
    """Those of the normalised addresses that are unwanted, as they are or without their tag and Gmail's dots."""
    hashed = {address: spellings(secret, address) for address in addresses}
    wanted = {each for hashes in hashed.values() for each in hashes}
    stored = {row.hash: Unwanted(row.reason, row.at) for row in _UNWANTED.rows(connection, wanted)}
    return {
        address: next(stored[each] for each in hashes if each in stored)
        for address, hashes in hashed.items()
        if any(each in stored for each in hashes)
    }


def everything(connection: Connection) -> dict[str, Unwanted]:
    """All hashes, with why and since when."""
    return {row.hash: Unwanted(row.reason, row.at) for row in connection.execute(select(unwanted_address))}


def put_back(connection: Connection, hashes: Mapping[str, Unwanted]) -> None:
    """Store hashes again, instead of what is known of the same addresses."""
    forget_hashes(connection, hashes)
    if hashes:
        rows = [{"hash": hashed, "reason": why.reason, "at": why.at} for hashed, why in hashes.items()]
        connection.execute(insert_new(connection, unwanted_address), rows)


def forget(connection: Connection, secret: bytes, addresses: Iterable[str]) -> None:
    """These addresses are welcome again."""
    forget_hashes(connection, {hashed for address in addresses for hashed in spellings(secret, address)})


def forget_hashes(connection: Connection, hashes: Iterable[str]) -> None:
    """Delete hashes."""
    for piece in slices(hashes):
        connection.execute(delete(unwanted_address).where(unwanted_address.c.hash.in_(piece)))


def spellings(secret: bytes, address: str) -> list[str]:
    """The hashes under which an address may be known: as it is, without tag, without tag and Gmail's dots."""
    return [keyed_hash(secret, form) for form in dict.fromkeys((address, without_tag(address), canonical(address)))]
