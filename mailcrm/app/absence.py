"""Automatic replies hold what a flow wants written: mail (where it is cleared to leave) and drafts (here)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection

from mailcrm.app.context import Context
from mailcrm.store import absences, pulse
from mailcrm.store.events import NewEvent


def hold(connection: Connection, context: Context, happened: Iterable[NewEvent], now: datetime) -> None:
    """Drafts to persons who have just said that they are away are not due before they are back.

    Args:
        happened: events just stored; those of other kinds are left out.
    """
    away = {each.person for each in happened if each.kind == absences.AUTOREPLIED and each.person is not None}
    if away:
        for person, until in absences.back(connection, away, now, context.config.returns.away).items():
            pulse.put_off(connection, [person], until)
