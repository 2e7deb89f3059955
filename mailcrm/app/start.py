"""Tells the plugins that the program starts, and gives them what they may use of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from mailcrm.app.context import Context
from mailcrm.app.emit import emit


@dataclass(frozen=True, slots=True)
class PluginApp:
    """``hookspecs.App`` for one plugin, which is all that it sees of the program."""

    _context: Context
    _plugin: str

    @property
    def folder(self) -> Path:
        """The plugin's own folder in the data folder, made when it is first asked for."""
        return plugin_folder(self._context, self._plugin)

    def now(self) -> datetime:
        """The time now."""
        return self._context.clock()

    def emit(self, kind: str, data: Mapping[str, Any], *, person: str | None = None, key: str | None = None) -> bool:
        """Store an event in the plugin's name."""
        return emit(self._context, kind, data, source=f"plugin:{self._plugin}", person=person, key=key)


def plugin_folder(context: Context, plugin: str) -> Path:
    """A plugin's own folder in the data folder; made if need be."""
    folder = context.config.data / "plugins" / plugin
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def start(context: Context) -> None:
    """Call ``on_start`` of every plugin that has one. A plugin that fails is logged; the program starts anyway."""
    context.plugins.start(lambda name: PluginApp(context, name))
