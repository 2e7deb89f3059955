"""Definition files of flows: TOML to definition, definition to flow, and back to TOML."""

from mailcrm.core.definitions.faults import DefinitionError, Fault
from mailcrm.core.definitions.model import (
    ActivityStep,
    Definition,
    DraftStep,
    EmailStep,
    OnEdit,
    RuleDefinition,
    SequenceDefinition,
    StopOnReply,
    WorkflowDefinition,
)
from mailcrm.core.definitions.parsing import parse

__all__ = [
    "ActivityStep",
    "Definition",
    "DefinitionError",
    "DraftStep",
    "EmailStep",
    "Fault",
    "OnEdit",
    "RuleDefinition",
    "SequenceDefinition",
    "StopOnReply",
    "WorkflowDefinition",
    "parse",
]
