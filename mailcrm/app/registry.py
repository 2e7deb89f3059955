"""What flows may name: what is built in, and what plugins bring."""

from __future__ import annotations

from mailcrm.core.conditions import CONDITIONS
from mailcrm.core.events import KINDS
from mailcrm.core.registry import Registry
from mailcrm.core.triggers import TRIGGERS
from mailcrm.plugins import PluginHost


def registry(_plugins: PluginHost) -> Registry:
    """Everything that is known, by name."""
    return Registry(kinds=KINDS, triggers=TRIGGERS, conditions=CONDITIONS)
