"""Definition files of flows and templates: TOML to definition, definition to flow, and back to TOML."""

from mailcrm.core.definitions.campaigns import PURPOSES
from mailcrm.core.definitions.compiling import to_flow
from mailcrm.core.definitions.faults import DefinitionError, Fault, Faults
from mailcrm.core.definitions.model import (
    ActivityStep,
    CampaignDefinition,
    CampaignState,
    CampaignType,
    Chosen,
    Definition,
    DraftStep,
    EmailStep,
    Line,
    OnEdit,
    Purpose,
    RuleDefinition,
    SenderPolicy,
    SequenceDefinition,
    StopOnReply,
    Strategy,
    TemplateDefinition,
    WorkflowDefinition,
)
from mailcrm.core.definitions.notes import notes
from mailcrm.core.definitions.parsing import MAX_STEPS, examined, parse
from mailcrm.core.definitions.printing import to_data, to_toml
from mailcrm.core.definitions.templates import parse_template
from mailcrm.core.definitions.wording import LETTERS, actions_of, item_of, left_out, templates_in, templates_named

__all__ = [
    "LETTERS",
    "MAX_STEPS",
    "PURPOSES",
    "ActivityStep",
    "CampaignDefinition",
    "CampaignState",
    "CampaignType",
    "Chosen",
    "Definition",
    "DefinitionError",
    "DraftStep",
    "EmailStep",
    "Fault",
    "Faults",
    "Line",
    "OnEdit",
    "Purpose",
    "RuleDefinition",
    "SenderPolicy",
    "SequenceDefinition",
    "StopOnReply",
    "Strategy",
    "TemplateDefinition",
    "WorkflowDefinition",
    "actions_of",
    "examined",
    "item_of",
    "left_out",
    "notes",
    "parse",
    "parse_template",
    "templates_in",
    "templates_named",
    "to_data",
    "to_flow",
    "to_toml",
]
