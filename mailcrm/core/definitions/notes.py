"""What ``apply`` tells the author of a valid definition."""

from __future__ import annotations

from collections.abc import Iterator

from mailcrm.core.definitions.campaigns import lacking
from mailcrm.core.definitions.model import (
    ActivityStep,
    CampaignDefinition,
    CampaignState,
    CampaignType,
    Definition,
    EmailStep,
    SequenceDefinition,
    WorkflowDefinition,
)
from mailcrm.core.validation import shape_notes


def notes(definition: Definition) -> list[str]:
    """One line each: who gets into a workflow, who stays in, what may run twice; what a sequence or campaign lacks."""
    match definition:
        case WorkflowDefinition():
            return shape_notes(definition.nodes)
        case SequenceDefinition():
            return list(_of_sequence(definition))
        case CampaignDefinition():
            return list(_of_campaign(definition))
    return []


def _of_sequence(sequence: SequenceDefinition) -> Iterator[str]:
    if not sequence.steps:
        yield "there are no steps yet: nothing can be enrolled"
    before = False
    for number, step in enumerate(sequence.steps, 1):
        if isinstance(step, ActivityStep):
            continue
        if isinstance(step, EmailStep):
            yield f"step[{number}]: is sent by itself, once its sender ({step.sender or 'the owner'}) has consented"
        if step.in_thread and not before:
            yield f"step[{number}]: no mail comes before it, so in_thread has nothing to reply to"
        before = True


def _of_campaign(campaign: CampaignDefinition) -> Iterator[str]:
    if campaign.state is not CampaignState.READY:
        keys = f", which it can't be without {' and '.join(lacking(campaign))}" if lacking(campaign) else ""
        yield f'state: is {campaign.state}; it can be launched once it is "ready"{keys}'
    scripted = campaign.type in (CampaignType.CALLS, CampaignType.ACTIVITIES)
    if campaign.template is not None and not campaign.mails and not scripted:
        yield "template: is not used while send_mails = false"
