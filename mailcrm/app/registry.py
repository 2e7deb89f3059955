"""What flows may name: what is built in, and what plugins bring."""

from __future__ import annotations

from mailcrm.builtin.actions import ACTIONS
from mailcrm.core.conditions import CONDITIONS
from mailcrm.core.events import KINDS
from mailcrm.core.registry import Registry
from mailcrm.core.triggers import TRIGGERS
from mailcrm.plugins import PluginHost

BUILT_IN = Registry(KINDS, TRIGGERS, CONDITIONS, ACTIONS)


def registry(plugins: PluginHost) -> Registry:
    """Everything that is known, by name; to be asked for once, when the plugins are loaded. Ours can't be replaced."""
    brought = plugins.registry()
    return Registry(
        {**brought.kinds, **BUILT_IN.kinds},
        {**brought.triggers, **BUILT_IN.triggers},
        {**brought.conditions, **BUILT_IN.conditions},
        {**brought.actions, **BUILT_IN.actions},
        brought.idle,
    )
