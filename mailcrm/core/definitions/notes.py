"""What ``apply`` tells the author of a valid definition."""

from __future__ import annotations

from collections.abc import Iterator

from mailcrm.core.definitions.model import ActivityStep, Definition, EmailStep, SequenceDefinition, WorkflowDefinition
from mailcrm.core.validation import shape_notes


def notes(definition: Definition) -> list[str]:
    """One line each: who gets into a workflow, who stays in, what may run twice; what a sequence still lacks."""
    match definition:
        case WorkflowDefinition():
            return shape_notes(definition.nodes)
        case SequenceDefinition():
            return list(_of_sequence(definition))
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
