"""Coupons: the action ``coupon.issue { series = "spring" }`` gives a person a code of a list, no code twice.

The codes of a series stand in a file, one a line. The one that a person got is put into the field ``coupon`` of his
card (in a mail: ``{{ person.fields.coupon }}``), and told as the event ``coupon.issued``. When a series has run out,
the runs that want one fail and say so; add codes to the file, then.

[plugins.config.coupons]
folder = "coupons"                 # beside config.toml; there, spring.txt is the series "spring"
field = "coupon"
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mailcrm import ActionType, Effect, EventKind, Permanent, Reach, hookimpl


@dataclass(frozen=True)
class Settings:
    """Without ``folder`` the plugin is idle."""

    folder: Path
    field: str = "coupon"


@hookimpl
def register_config() -> type:
    return Settings


@hookimpl
def register_events() -> list[EventKind]:
    return [EventKind("coupon.issued", {"series": str, "code": str}, "Somebody got a coupon")]


@hookimpl
def register_actions(config: Settings) -> list[ActionType]:
    return [ActionType("coupon.issue", {"series": str}, partial(issue, config=config), "Give a coupon")]


async def issue(hands: Reach, effect: Effect, *, config: Settings) -> None:
    """Take the next code; the same one when it is asked for again with the same key."""
    series = effect.args["series"]
    code = take(hands.folder / "issued.sqlite", effect.key, series, codes(config.folder, series))
    hands.set_field(config.field, code)
    hands.emit("coupon.issued", {"series": series, "code": code})


def codes(folder: Path, series: str) -> Iterator[str]:
    """The codes of a series in the order of its file. Raises Permanent: there is no such file."""
    if not series or not series.replace("-", "").replace("_", "").isalnum():
        raise Permanent(f"{series!r} can't be a series of coupons; write letters, digits, - and _")
    try:
        with (folder / f"{series}.txt").open(encoding="utf-8") as lines:
            yield from (line.strip() for line in lines if line.strip())
    except FileNotFoundError:
        raise Permanent(f"there are no coupons {series!r}; put them into {folder / series}.txt") from None


def take(file: Path, key: str, series: str, among: Iterator[str]) -> str:
    """The code of this key, or the first that nobody has. Raises Permanent: none is left."""
    with closing(sqlite3.connect(file, timeout=20, isolation_level=None)) as book:
        book.execute("CREATE TABLE IF NOT EXISTS issued (key TEXT PRIMARY KEY, series, code, UNIQUE (series, code))")
        book.execute("BEGIN IMMEDIATE")  # nobody else chooses meanwhile; closing without COMMIT undoes it
        had = book.execute("SELECT code FROM issued WHERE key = ? AND series = ?", (key, series)).fetchone()
        if had:
            return str(had[0])
        given = {row[0] for row in book.execute("SELECT code FROM issued WHERE series = ?", (series,))}
        code = next((code for code in among if code not in given), None)
        if code is None:
            raise Permanent(f"the coupons {series!r} have run out ({len(given)} are given away); add codes to the file")
        book.execute("INSERT INTO issued VALUES (?, ?, ?)", (key, series, code))
        book.execute("COMMIT")
        return code
