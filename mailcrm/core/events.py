"""Events: what happened, of which kind, to whom. Whoever reacts to something reacts to one of these."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite
from types import UnionType
from typing import Any, get_args

from mailcrm.errors import Refused


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened and is stored.

    Args:
        id: its number; never used twice, but not in the order of time.
        kind: one of ``KINDS``.
        person: the id of the person it concerns, if any.
        at: when it happened (mail: when it was received), aware, UTC.
        source: what told us: ``mail``, ``user:KEY``, ``plugin:NAME``, ``import``.
        data: the fields of its kind, each present; None where there is no value.
    """

    id: int
    kind: str
    person: int | None
    at: datetime
    source: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EventKind:
    """A kind of event. A field whose type admits None may be left out.

    Args:
        among: the values that a field of text can have, where it can't have every one.
    """

    name: str
    fields: Mapping[str, type | UnionType]
    label: str = ""
    among: Mapping[str, Sequence[str]] = field(default_factory=dict)


def _kinds(label_of: Mapping[str, str], **fields: type | UnionType) -> list[EventKind]:
    return [EventKind(name, fields, label) for name, label in label_of.items()]


KINDS: Mapping[str, EventKind] = {
    kind.name: kind
    for kind in (
        *_kinds(
            {
                "mail.received": "Mail came in from a person",
                "mail.replied": "A person answered a mail of ours",
                "mail.sent": "One of us wrote to a person",
            },
            message=str,  # the Message-ID, without <>; our own identity of mail that has none
            thread=int,
            deal=int | None,
        ),
        *_kinds(
            {
                "mail.bounced": "A mail to a person came back",
                "mail.unsubscribed": "A person asked for no more mail",
                "mail.autoreplied": "An auto-reply came from a person",
            },
            message=str,
            reason=str | None,
            until=str | None,  # an ISO 8601 date: when he is back
        ),
        *_kinds(
            {"mail.opened": "A person opened a mail of ours", "link.clicked": "A person clicked in a mail of ours"},
            message=str,
            flow=str | None,  # the name of the flow that sent it, and the node
            node=str | None,
            url=str | None,
            grade=str | None,  # who did it: human | machine | unknown
        ),
        *_kinds({"tag.added": "A tag was put on a person", "tag.removed": "A tag was taken off a person"}, tag=str),
        *_kinds(
            {
                "deal.created": "A deal was opened",
                "deal.moved": "A deal moved to another stage",
                "deal.won": "A deal was won",
                "deal.lost": "A deal was lost",
            },
            deal=int,
            stage=str,
        ),
        *_kinds(
            {"meeting.scheduled": "A meeting was scheduled", "activity.done": "An activity was done"},
            activity=int,
            type=str,
        ),
        *_kinds(
            {"flow.completed": "A person went through a flow to its end", "flow.failed": "A flow failed for a person"},
            flow=str,  # its name
            kind=str,  # sequence | workflow | rule | campaign
        ),
    )
}


def check(kind: str, data: Mapping[str, Any], kinds: Mapping[str, EventKind] = KINDS) -> dict[str, Any]:
    """The data of an event, complete.

    Returns:
        Every field of the kind, in its order; None for those left out. Half a surrogate pair in text becomes "?".

    Raises:
        Refused: no such kind, a field unknown or missing, or a value that it can't have; the text names it.
    """
    known = kinds.get(kind)
    if known is None:
        raise Refused(f"there is no event kind {kind!r}{_near(kind, kinds)}; `mailcrm event kinds` lists them")
    for name in data:
        if name not in known.fields:
            raise Refused(f"{kind} has no field {name!r}{_near(name, known.fields)}; it has {', '.join(known.fields)}")
    complete = {name: data.get(name) for name in known.fields}
    for name, value in complete.items():
        wanted = known.fields[name]
        if not _takes(wanted, value):
            what = "is missing" if name not in data else f"is {type(value).__name__}"
            raise Refused(f"{kind}: the field {name} {what}; give {type_name(wanted)}")
        if value is not None and value not in known.among.get(name, (value,)):
            raise Refused(f"{kind}: the field {name} can't be {value!r:.80}; give {', '.join(known.among[name])}")
        if isinstance(value, str) and not value.isascii():
            complete[name] = value.encode("utf-8", "replace").decode("utf-8")
    return complete


def type_name(kind: type | UnionType) -> str:
    """A field's type as people write it: ``int``, ``str | None``."""
    return kind.__name__ if isinstance(kind, type) else str(kind)


def _takes(wanted: type | UnionType, value: object) -> bool:
    """A whole number is a ``float`` too, true and false are no numbers, and NaN and Infinity are no JSON."""
    if isinstance(value, bool):
        return bool in _kinds_in(wanted)
    if isinstance(value, float) and not isfinite(value):
        return False
    return isinstance(value, wanted) or (isinstance(value, int) and float in _kinds_in(wanted))


def _kinds_in(wanted: type | UnionType) -> tuple[type, ...]:
    return get_args(wanted) or (wanted,)


def _near(name: str, known: Iterable[str]) -> str:
    match = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {match[0]}?" if match else ""
