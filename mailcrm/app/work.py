"""Does what is due: what is past its time goes, questions are asked, flows go on, mail leaves, plugins are told."""

from __future__ import annotations

from dataclasses import dataclass

from mailcrm.app.ask import ask_due
from mailcrm.app.campaign_ends import tend
from mailcrm.app.context import Context
from mailcrm.app.counting import count_due
from mailcrm.app.dispatch import dispatch
from mailcrm.app.drafts import remind_overdue
from mailcrm.app.handover import Filed, Transport
from mailcrm.app.holding import standing
from mailcrm.app.machine import run_due
from mailcrm.app.perform import Performed, perform_due
from mailcrm.app.react import deliver_due
from mailcrm.app.retention import sweep_due
from mailcrm.app.tracking import judge_due
from mailcrm.store import faults


@dataclass(frozen=True, slots=True)
class Worked:
    """What one round did; ``reason`` says why mail had to wait.

    Args:
        steps: events, timers and ended actions that flows were given.
        acted: actions outside that were carried out for flows.
    """

    asked: int = 0
    steps: int = 0
    acted: int = 0
    sent: int = 0
    failed: int = 0
    delayed: int = 0
    delivered: int = 0
    reason: str | None = None

    @property
    def is_idle(self) -> bool:
        """Whether nothing was done, so that nothing more can follow from it."""
        return not (self.asked or self.steps or self.acted or self.sent or self.failed or self.delivered)


def work(context: Context, transport: Transport, filed: Filed | None = None) -> Worked:
    """One round of what is due at the context's clock. Safe in several processes at once.

    What was done may have made something else due, and plugins are told for a limited time, so that a slow one holds
    up no mail: until it ``is_idle``, call again.
    """
    sweep_due(context)
    remind_overdue(context)
    asked = ask_due(context)
    while judge_due(context):
        pass
    held = standing(context)
    steps, acted = 0, Performed()
    if held is None or not held.flows:
        while tend(context):
            pass
        while (ran := run_due(context)).stimuli:
            steps += ran.stimuli
        acted = perform_due(context)
    mail = dispatch(context, transport, filed)
    delivered = deliver_due(context)
    while count_due(context):
        pass
    _keep_failures(context)
    return Worked(
        asked=asked,
        steps=steps,
        acted=acted.done + acted.failed,
        sent=mail.sent,
        failed=mail.failed,
        delayed=mail.delayed,
        delivered=delivered,
        reason=mail.reason,
    )


def _keep_failures(context: Context) -> None:
    """What plugins failed in this process, so that ``plugin list`` knows it in another."""
    if failures := context.plugins.new_failures():
        with context.db.write() as connection:
            faults.add(connection, failures, context.clock())
