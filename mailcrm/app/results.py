"""What came of a campaign (CAMP-13): for each recipient, in sum, and by subject and sender."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from sqlalchemy import Connection

from mailcrm.app.context import Context
from mailcrm.core.definitions import CampaignDefinition, parse
from mailcrm.store import campaigns, flows, results, users
from mailcrm.store.flows import StoredFlow
from mailcrm.store.results import Group, Result


@dataclass(frozen=True, slots=True)
class Sums:
    """How many recipients, and what of them is counted.

    Args:
        total: members who were not planned yet among them.
        done, failed, skipped, planned, withdrawn: each recipient is one of these.
        sent, bounced, opened, clicked, replied, unsubscribed: mails, and what their readers did; of openings and clicks
            those of humans.
    """

    total: int = 0
    done: int = 0
    failed: int = 0
    skipped: int = 0
    planned: int = 0
    withdrawn: int = 0
    sent: int = 0
    bounced: int = 0
    opened: int = 0
    clicked: int = 0
    replied: int = 0
    unsubscribed: int = 0


@dataclass(frozen=True, slots=True)
class Variant:
    """The results of one subject."""

    subject: str
    sums: Sums


@dataclass(frozen=True, slots=True)
class Summary:
    """A campaign's results in sum.

    Args:
        made: how many records were made: activities, deals, documents.
        variants: by subject, in the author's order; none where there is but one.
        senders: by the key of the user in whose name it was done.
    """

    name: str
    sums: Sums
    made: int
    variants: tuple[Variant, ...]
    senders: tuple[tuple[str, Sums], ...]


def of(context: Context, name: str) -> Iterator[dict[str, Any]]:
    """The results of a campaign as JSON, one recipient at a time, read in pages while they are taken.

    Of one that was removed, too, unless there is another of its name.

    Raises:
        NotFound: there is no such campaign.
        Refused: several have this name.
    """
    with context.db.read() as connection:
        stored = _meant(connection, name)
        keys = _keys(connection)
    return _rows(context, stored.id, keys)


def sums(context: Context, name: str) -> Summary:
    """The same in sum. Raises as ``of``."""
    with context.db.read() as connection:
        stored = _meant(connection, name)
        found = results.groups(connection, stored.id)
        unplanned, made = results.members(connection, stored.id)
        stopped = campaigns.get(connection, stored.id).stopped_at is not None
        keys = _keys(connection)
        definition = parse(flows.text(connection, stored.id, stored.version), stored.name, context.registry)
    if unplanned:
        found.append(Group(None, None, "withdrawn" if stopped else "planned", unplanned))
    subjects = definition.subjects if isinstance(definition, CampaignDefinition) else ()
    senders = sorted({each.sender for each in found if each.sender is not None}, key=lambda each: keys.get(each, ""))
    return Summary(
        stored.name,
        _added(found),
        made,
        tuple(
            Variant(subject, _added(each for each in found if each.variant == number))
            for number, subject in enumerate(subjects if len(subjects) > 1 else ())
        ),
        tuple((keys.get(number, ""), _added(each for each in found if each.sender == number)) for number in senders),
    )


def shape(summary: Summary) -> dict[str, Any]:
    """The last line of the listing."""
    return {
        **asdict(summary.sums),
        "made": summary.made,
        "variants": [{"subject": each.subject, **asdict(each.sums)} for each in summary.variants],
        "senders": [{"sender": key, **asdict(found)} for key, found in summary.senders],
    }


def _rows(context: Context, flow: int, keys: Mapping[int, str]) -> Iterator[dict[str, Any]]:
    with context.db.read() as connection:
        for each in results.listed(connection, flow):
            yield {name: getattr(each, name) for name in _SHOWN} | {"sender": keys.get(each.sender or 0)}


def _meant(connection: Connection, name: str) -> StoredFlow:
    """What a removed one did stays; ``find`` says what there is instead of one that never was."""
    found = flows.search(connection, name, campaigns.KINDS) or flows.removed(connection, name, campaigns.KINDS)
    return found or flows.find(connection, name, campaigns.KINDS)


def _keys(connection: Connection) -> Mapping[int, str]:
    return {each.id: each.key for each in users.every(connection)}


def _added(groups: Iterable[Group]) -> Sums:
    found = dict.fromkeys((each.name for each in fields(Sums)), 0)
    for group in groups:
        found["total"] += group.total
        found[group.state] += group.total
        for name in _COUNTED:
            found[name] += getattr(group, name)
    return Sums(**found)


_SHOWN = tuple(each.name for each in fields(Result))
_COUNTED = ("sent", "bounced", "opened", "clicked", "replied", "unsubscribed")
