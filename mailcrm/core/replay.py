"""The recorded stimuli once more: with the facts as they were told, the same decisions come out, exactly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace

from mailcrm.core.engine import advance
from mailcrm.core.enrollment import (
    Calendar,
    Decision,
    Enrollment,
    Facts,
    Happened,
    Past,
    Status,
    Stimulus,
    Subject,
    Verdict,
)
from mailcrm.core.flow import Condition, Flow
from mailcrm.core.walk import Broken, in_short
from mailcrm.errors import Permanent


@dataclass(frozen=True, slots=True)
class Answer:
    """What a condition answered; ``raised`` instead, if it broke."""

    condition: str
    verdict: Verdict | None
    raised: str = ""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A stimulus as it was taken, and what the engine was told then.

    Args:
        version: of the flow that answered.
        now: when it was taken, UTC.
        answers: of the conditions, in the order they were asked.
        events: those that a node might look back to.
    """

    version: int
    stimulus: Stimulus
    now: datetime
    new_id: int
    active_since: datetime | None
    past: Past
    answers: tuple[Answer, ...] = ()
    events: tuple[Happened, ...] = ()


class Differs(Permanent):
    """The replay asks something else than was asked then: the text names it."""


def recording(facts: Facts) -> tuple[Facts, list[Answer]]:
    """The same facts, and the list that the answers of their conditions are written to."""
    answers: list[Answer] = []

    def judge(condition: Condition) -> Verdict:
        try:
            verdict = facts.judge(condition)
        except Exception as problem:
            answers.append(Answer(condition.name, None, in_short(problem)))
            raise
        answers.append(Answer(condition.name, verdict))
        return verdict

    return replace(facts, judge=judge), answers


def replay(
    versions: Mapping[int, Flow],
    subject: Subject,
    calendar: Calendar,
    at_once: frozenset[str],
    recorded: Sequence[Recorded],
) -> Iterator[Decision]:
    """Walk one subject through one flow again.

    Args:
        versions: of the flow, by number.
        calendar: as it was then.
        at_once: names of the actions that change rows.
        recorded: every stimulus from the subject's first entry on, in the order they were taken.

    Returns:
        The decisions, one for each stimulus.

    Raises:
        Differs: a condition is asked that was not asked then.
    """
    live: Enrollment | None = None
    for told in recorded:
        answers = _Answers(told.answers)
        facts = Facts(subject, told.new_id, told.active_since, told.past, calendar, answers.judge, told.events, at_once)
        decision = advance(versions[told.version], live, told.stimulus, facts, told.now)
        if answers.differs:
            raise Differs(answers.differs)
        live = decision.enrollment
        if live is not None and live.status is not Status.IN_PROGRESS:
            live = None
        yield decision


class _Answers:
    """What was answered then, in that order."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        self._left = list(reversed(answers))
        self.differs = ""

    def judge(self, condition: Condition) -> Verdict:
        answer = self._left.pop() if self._left else None
        if answer is None or answer.condition != condition.name:
            asked = f"{answer.condition} was asked" if answer else "nothing more was asked"
            self.differs = f"the replay asks {condition.name} where {asked} when it was recorded"
            raise Broken(self.differs)
        if answer.verdict is None:
            raise Broken(answer.raised)
        return answer.verdict
