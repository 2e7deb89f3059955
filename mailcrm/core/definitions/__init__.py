"""Definition files of flows: TOML to definition, definition to flow, and back to TOML."""

from mailcrm.core.definitions.compiling import to_flow
from mailcrm.core.definitions.faults import DefinitionError, Fault, Faults
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
from mailcrm.core.definitions.notes import notes
from mailcrm.core.definitions.parsing import MAX_STEPS, parse
from mailcrm.core.definitions.printing import to_data, to_toml
from mailcrm.core.definitions.wording import actions_of

__all__ = [
    "MAX_STEPS",
    "ActivityStep",
    "Definition",
    "DefinitionError",
    "DraftStep",
    "EmailStep",
    "Fault",
    "Faults",
    "OnEdit",
    "RuleDefinition",
    "SequenceDefinition",
    "StopOnReply",
    "WorkflowDefinition",
    "actions_of",
    "notes",
    "parse",
    "to_data",
    "to_flow",
    "to_toml",
]
