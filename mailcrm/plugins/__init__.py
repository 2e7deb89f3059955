"""Plugins: found, checked, asked one by one, timed, and kept from harming anything but themselves."""

from mailcrm.plugins.host import Listed, PluginHost
from mailcrm.plugins.plugin import PluginFailed

__all__ = ["Listed", "PluginFailed", "PluginHost"]
