"""How often each plugin failed, in whichever process; kept, so that ``plugin list`` can tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select, update

from mailcrm.store.db import insert_new
from mailcrm.store.tables import setting

_NAME = "plugin faults"


@dataclass(frozen=True, slots=True)
class Faults:
    """A plugin's failures: how many, and the last one with its time (UTC, as text)."""

    count: int
    error: str
    at: str


def add(connection: Connection, counted: Mapping[str, tuple[int, str]], now: datetime) -> None:
    """Count failures, by plugin: how many more, and the last one's words."""
    connection.execute(insert_new(connection, setting, ["name"]).values(name=_NAME, value={}, at=now))
    mine = setting.c.name == _NAME
    value = dict(connection.execute(select(setting.c.value).where(mine).with_for_update()).scalar_one())
    for plugin, (count, error) in counted.items():
        before = value.get(plugin, {"count": 0})["count"]
        value[plugin] = {"count": before + count, "error": error, "at": now.isoformat()}
    connection.execute(update(setting).where(mine).values(value=value, at=now))


def known(connection: Connection) -> dict[str, Faults]:
    """By plugin, those that ever failed."""
    value = connection.execute(select(setting.c.value).where(setting.c.name == _NAME)).scalar() or {}
    return {plugin: Faults(**faults) for plugin, faults in value.items()}
