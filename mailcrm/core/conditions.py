"""The built-in conditions: questions about the contact card, each with what was asked and what was found."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from mailcrm.core import spans
from mailcrm.core.card import Card
from mailcrm.core.comparing import Value, compared, folded, listed, same, spelt
from mailcrm.core.enrollment import Verdict
from mailcrm.core.flow import Condition
from mailcrm.core.registry import ConditionType, Registry, Span
from mailcrm.errors import Refused

_NAMES = str | list[str]
_ANYTHING = str | int | float | bool | date | datetime | list[str | int | float] | None
_LIMIT = int | float | date | datetime | str | None


def holds(condition: Condition, card: Card, now: datetime, registry: Registry) -> Verdict:
    """The answer to a condition, turned round if it is negated (GRAPH-20).

    Args:
        card: with the parts that the condition needs (``needs``).
        now: the moment it is asked about; aware.

    Raises:
        Refused: there is no such condition. Whatever a condition raises, raises here.
    """
    known = registry.conditions.get(condition.name)
    if known is None:
        raise Refused(f"there is no condition {condition.name!r}; is its plugin there?")
    verdict = known.test(card, condition.args, now)
    if not condition.negated:
        return verdict
    return Verdict(not verdict.holds, f"not: {verdict.expected}", verdict.actual)


def needs(conditions: Iterable[Condition], registry: Registry) -> frozenset[str]:
    """The parts of the card that these conditions read; nothing for those that are not known."""
    known = (registry.conditions.get(condition.name) for condition in conditions)
    return frozenset(part for each in known if each is not None for part in each.needs)


def _among(had: Collection[str], wanted: object) -> bool:
    """Whether one of the wanted names is there; without case and outer blanks."""
    names = listed(wanted)
    return any(name in had for name in names) or not {folded(name) for name in names}.isdisjoint(map(folded, had))


def _or(wanted: object) -> str:
    return spelt(listed(wanted), " or ")


def _found(what: str, had: Collection[str]) -> str:
    return f"{what}: {spelt(sorted(had))}" if had else f"no {what}"


def _tag(card: Card, args: Mapping[str, Any], _now: datetime) -> Verdict:
    """One of several is enough."""
    wanted = args["tag"]
    return Verdict(_among(card.tags, wanted), f"has the tag {_or(wanted)}", _found("tags", card.tags))


def _not_tag(card: Card, args: Mapping[str, Any], _now: datetime) -> Verdict:
    """None of several is there."""
    wanted = args["not_tag"]
    return Verdict(not _among(card.tags, wanted), f"has not the tag {_or(wanted)}", _found("tags", card.tags))


def _in_flow(kind: str) -> Callable[[Card, Mapping[str, Any], datetime], Verdict]:
    def test(card: Card, args: Mapping[str, Any], _now: datetime) -> Verdict:
        inside = card.sequences if kind == "sequence" else card.workflows
        wanted = args[f"in_{kind}"]
        return Verdict(_among(inside, wanted), f"is in the {kind} {_or(wanted)}", _found(f"{kind}s", inside))

    return test


_OPERATORS: Mapping[str, tuple[str, Callable[[Collection[Value], Any], bool]]] = {
    "is": ("is", lambda values, wanted: any(same(one, two) for one in values for two in listed(wanted))),
    "not": ("is not", lambda values, wanted: not any(same(one, two) for one in values for two in listed(wanted))),
    "contains": ("contains", lambda values, part: any(folded(p) in folded(v) for v in values for p in listed(part))),
    "above": ("is above", lambda values, limit: 1 in {compared(value, limit) for value in values or ("",)}),
    "below": ("is below", lambda values, limit: -1 in {compared(value, limit) for value in values or ("",)}),
    "empty": ("is empty", lambda values, wanted: (not values) is bool(wanted)),
}


def _field(card: Card, args: Mapping[str, Any], _now: datetime) -> Verdict:
    """Several operators must all hold; without one it is asked whether there is a value.

    Of a field with several values (email), one is enough; for ``not``, none may be so. An empty field is not anything.
    """
    name = str(args["field"])
    values = [value for value in listed(_value(card.fields, name)) if folded(value)]
    asked = {key: args[key] for key in _OPERATORS if args.get(key) is not None} or {"empty": False}
    expected = " and ".join(
        f"{name} is {'' if wanted else 'not '}empty" if key == "empty" else f"{name} {_OPERATORS[key][0]} {_or(wanted)}"
        for key, wanted in asked.items()
    )
    met = [_OPERATORS[key][1](values, wanted) for key, wanted in asked.items()]
    return Verdict(all(met), expected, f"{name}: {spelt(values) if values else 'empty'}")


def _value(fields: Mapping[str, Any], name: str) -> object:
    """A field by its name, in whatever case it was typed."""
    if name in fields:
        return fields[name]
    return next((value for known, value in fields.items() if folded(known) == folded(name)), None)


def _deal_open(card: Card, _args: Mapping[str, Any], _now: datetime) -> Verdict:
    titles = [deal.title for deal in card.deals if deal.status == "open"]
    return Verdict(bool(titles), "has an open deal", _found("open deals", titles))


def _deal_stage(card: Card, args: Mapping[str, Any], _now: datetime) -> Verdict:
    """Of an open deal: a closed one keeps the stage in which it ended, but stands there no more."""
    stages = {deal.stage for deal in card.deals if deal.status == "open"}
    wanted = args["deal_stage"]
    return Verdict(_among(stages, wanted), f"has an open deal at {_or(wanted)}", _found("stages of open deals", stages))


def _activity_planned(card: Card, args: Mapping[str, Any], now: datetime) -> Verdict:
    """Of a type, or of any; those of his deals and leads too."""
    wanted = args.get("type")
    types = {each.type for each in card.activities if each.done_at is None or each.done_at > now}
    met = bool(types) if wanted is None else _among(types, wanted)
    asked = "an activity is planned" if wanted is None else f"{_or(wanted)} is planned"
    return Verdict(met, asked, _found("planned activities", types))


def _activity_done(card: Card, args: Mapping[str, Any], now: datetime) -> Verdict:
    wanted, within = args.get("type"), args.get("within")
    times = (e.done_at for e in card.activities if e.done_at and (wanted is None or _among((e.type,), wanted)))
    last = max((at for at in times if at <= now), default=None)
    met = last is not None and (within is None or last >= spans.before(now, within))
    asked = "an activity" if wanted is None else _or(wanted)
    return Verdict(met, f"{asked} done {f'within {within}' if within else 'ever'}", _when("last done", "done", last))


def _did(part: str) -> Callable[[Card, Mapping[str, Any], datetime], Verdict]:
    def test(card: Card, args: Mapping[str, Any], now: datetime) -> Verdict:
        last: datetime | None = getattr(card, part)
        within = args.get("within")
        did = last is not None and (within is None or last >= spans.before(now, within))
        return Verdict(did, f"{part} within {within}" if within else f"{part} ever", _when(f"last {part}", part, last))

    return test


def _last_contact(card: Card, args: Mapping[str, Any], now: datetime) -> Verdict:
    """A contact that never was is older than any span: so ``older`` finds all whom nobody has spoken to for so long."""
    last, older, newer = card.last_contact, args.get("older"), args.get("newer")
    met = True
    if older is not None:
        met = last is None or last < spans.before(now, older)
    if newer is not None:
        met = met and last is not None and last >= spans.before(now, newer)
    if older is None and newer is None:
        met = last is not None
    asked = " and ".join(f"{word} than {span}" for word, span in (("older", older), ("newer", newer)) if span)
    return Verdict(met, f"last contact {asked or 'ever'}", _when("last contact", "contacted", last))


def _when(what: str, did: str, last: datetime | None) -> str:
    return f"{what}: {last.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if last else f"never {did}"


def _permission(card: Card, _args: Mapping[str, Any], _now: datetime) -> Verdict:
    return Verdict(card.permission, "a permission is recorded", "recorded" if card.permission else "none recorded")


def _language(card: Card, args: Mapping[str, Any], _now: datetime) -> Verdict:
    """``pl`` is also ``pl-PL`` (RFC 4647, basic filtering)."""
    spoken = folded(card.language or "").replace("_", "-")
    wanted = [folded(each).replace("_", "-") for each in listed(args["language"])]
    met = any(spoken == each or spoken.startswith(f"{each}-") for each in wanted)
    return Verdict(
        bool(spoken) and met, f"language is {_or(args['language'])}", f"language: {card.language or 'not known'}"
    )


def _time_zone(card: Card, args: Mapping[str, Any], _now: datetime) -> Verdict:
    wanted, zone = args["time_zone"], card.time_zone
    met = _among((zone,) if zone else (), wanted)
    return Verdict(met, f"time zone is {_or(wanted)}", f"time zone: {zone or 'not known'}")


def _of(*parts: str) -> frozenset[str]:
    return frozenset(parts)


CONDITIONS: Mapping[str, ConditionType] = {
    each.name: each
    for each in (
        ConditionType("tag", {"tag": _NAMES}, _tag, _of("tags"), "Has a tag"),
        ConditionType("not_tag", {"not_tag": _NAMES}, _not_tag, _of("tags"), "Has not a tag"),
        ConditionType(
            "field",
            {
                "field": str,
                "is": _ANYTHING,
                "not": _ANYTHING,
                "contains": str | list[str] | None,
                "above": _LIMIT,
                "below": _LIMIT,
                "empty": bool | None,
            },
            _field,
            _of("fields"),
            "A field has a value",
        ),
        ConditionType("deal_open", {}, _deal_open, _of("deals"), "Has an open deal"),
        ConditionType("deal_stage", {"deal_stage": _NAMES}, _deal_stage, _of("deals"), "Has an open deal at a stage"),
        ConditionType(
            "activity_planned",
            {"type": str | list[str] | None},
            _activity_planned,
            _of("activities"),
            "An activity is planned",
        ),
        ConditionType(
            "activity_done",
            {"type": str | list[str] | None, "within": Span | None},
            _activity_done,
            _of("activities"),
            "An activity was done",
        ),
        ConditionType(
            "in_sequence", {"in_sequence": _NAMES}, _in_flow("sequence"), _of("sequences"), "Is in a sequence"
        ),
        ConditionType(
            "in_workflow", {"in_workflow": _NAMES}, _in_flow("workflow"), _of("workflows"), "Is in a workflow"
        ),
        ConditionType("opened", {"within": Span | None}, _did("opened"), _of("opened"), "Opened a mail of ours"),
        ConditionType("clicked", {"within": Span | None}, _did("clicked"), _of("clicked"), "Clicked in a mail of ours"),
        ConditionType("replied", {"within": Span | None}, _did("replied"), _of("replied"), "Answered a mail of ours"),
        ConditionType(
            "last_contact",
            {"older": Span | None, "newer": Span | None},
            _last_contact,
            _of("last_contact"),
            "The last contact was before or since",
        ),
        ConditionType("permission", {}, _permission, _of("permission"), "A permission is recorded"),
        ConditionType("language", {"language": _NAMES}, _language, _of("language"), "Is written in a language"),
        ConditionType("time_zone", {"time_zone": _NAMES}, _time_zone, _of("time_zone"), "Lives in a time zone"),
    )
}
"""Names are compared without case and outer blanks; of several, one is enough (for ``not_tag``: none may be there)."""
