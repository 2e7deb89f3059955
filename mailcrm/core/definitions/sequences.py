"""Reading the steps of a sequence."""

from __future__ import annotations

from mailcrm.core.definitions.faults import Faults
from mailcrm.core.definitions.model import ActivityStep, DraftStep, EmailStep, Step, StopOnReply
from mailcrm.core.definitions.table import Table, type_of
from mailcrm.core.nearest import nearest

TYPES = ("activity", "draft", "email")
PRIORITIES = ("low", "normal", "high")


def read_steps(table: Table, faults: Faults, max_steps: int) -> tuple[Step, ...]:
    """All steps, in their order; more than ``max_steps`` are refused (SEQ-7)."""
    value = table.rows("step")
    if len(value) > max_steps:
        what = f"a sequence has at most {max_steps} steps, this is the {_ordinal(max_steps + 1)}"
        faults.add(("step", max_steps), what, "leave it out, or make a second sequence")
    steps = (_step(Table(each, ("step", index), faults)) for index, each in enumerate(value))
    return tuple(step for step in steps if step)


def _step(table: Table) -> Step | None:
    kind = table.take("type")
    if kind not in TYPES:
        what = "type is missing" if kind is None else f"there is no step of type {kind}"
        near = nearest(kind, TYPES) if isinstance(kind, str) else ""
        mend = near if near.startswith("write") else f"write one of {', '.join(TYPES)}"
        table.fault(None if kind is None else "type", what, mend)
        return None
    after = table.span("after")
    step = _activity(table, after) if kind == "activity" else _mail(kind, table, after)
    table.close()
    return step


def _activity(table: Table, after: str | None) -> ActivityStep:
    priority = table.choice("priority", PRIORITIES, "") or None
    return ActivityStep(
        activity=table.name("activity"),
        after=after,
        due=table.span("due"),
        assignee=table.text("assignee"),
        priority=priority,
        note=table.text("note"),
    )


def _mail(kind: str, table: Table, after: str | None) -> DraftStep | EmailStep:
    template, subject = table.text("template"), table.text("subject")
    body, html = table.text("body"), table.text("html")
    in_thread = table.flag("in_thread", default=False) or False
    own = [key for key in ("subject", "body", "html") if key in table.data]
    if template is not None and own:
        table.fault("template", f"stands beside {own[0]}", "write either a template, or a subject and a body")
    elif "template" not in table.data:
        if "body" not in own and "html" not in own:
            table.fault(None, "has nothing to say", "write template, or subject and body")
        elif "subject" not in own and not in_thread:
            table.fault(None, "subject is missing", "write subject, or in_thread = true")
    sender, recipient = table.text("sender"), table.text("recipient")
    if kind == "draft":
        remind = table.span("remind")
        return DraftStep(template, subject, body, html, after, sender, recipient, remind, in_thread)
    track = table.flag("track", default=True) is not False
    return EmailStep(template, subject, body, html, after, sender, recipient, in_thread, track)


def read_stop_on_reply(table: Table) -> StopOnReply:
    """``true``, ``false`` or ``"organization"``."""
    value = table.take("stop_on_reply")
    match value:
        case None | True:
            return StopOnReply.PERSON
        case False:
            return StopOnReply.NO
        case "organization":
            return StopOnReply.ORGANIZATION
    table.fault("stop_on_reply", f"is {type_of(value)}", 'write true, false or "organization"')
    return StopOnReply.PERSON


def _ordinal(number: int) -> str:
    """``11th``."""
    endings = {1: "st", 2: "nd", 3: "rd"}
    return f"{number}{'th' if number % 100 in (11, 12, 13) else endings.get(number % 10, 'th')}"
