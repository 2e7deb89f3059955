"""Who may be put into a sequence: the rules that hold for a user's command and for a workflow's step alike (SEQ-43)."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection

from mailcrm.config import Config
from mailcrm.core.enrollment import Subject
from mailcrm.core.flow import Flow, FlowKind
from mailcrm.core.plural import counted
from mailcrm.errors import Refused
from mailcrm.store import flows, items
from mailcrm.store.enrollments import subject_key
from mailcrm.store.flows import StoredFlow


def admit(
    connection: Connection, config: Config, stored: StoredFlow, flow: Flow, subjects: Collection[Subject]
) -> None:
    """See that these subjects may enter a flow; a sequence's kind of item is locked from now on (SEQ-5).

    The flow's row stays locked until the transaction ends, so that two who enroll at once see each other's items.

    Raises:
        Refused: they are of another kind than the flow is for (SEQ-3), it has no steps (SEQ-8) or no room (SEQ-9).
    """
    for subject in subjects:
        if _item(subject) != stored.item:
            raise Refused(f"{stored.name!r} is for {stored.item}s; {subject_key(subject).replace(':', ' ')} is none")
    if stored.kind is not FlowKind.SEQUENCE:
        return
    if flow.start == ("end",):
        raise Refused(f"{stored.name!r} has no steps; add one before anything is enrolled")
    flows.lock(connection, stored.id)
    there = items.counted(connection, stored.id)
    new = {subject_key(subject) for subject in subjects} - there
    most = config.sequences.max_items
    if len(there) + len(new) > most:
        raise Refused(
            f"{stored.name!r} holds at most {counted(most, 'item')} and has {len(there)}, so "
            f"{counted(len(new), 'more does', 'more do')} not fit; "
            "remove some that are through (`mailcrm sequence leave`)"
        )


def _item(subject: Subject) -> str:
    if subject.deal is not None:
        return "deal"
    return "lead" if subject.lead is not None else "person"
