"""What every verb needs; built in main.py alone and handed down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from mailcrm.app.flow_book import FlowBook
from mailcrm.config import Config
from mailcrm.core.ours import Ours
from mailcrm.core.registry import Registry
from mailcrm.plugins import PluginHost
from mailcrm.store.blobs import Blobs
from mailcrm.store.db import Database


@dataclass(frozen=True, slots=True)
class Context:
    """The parts that a verb works with.

    Args:
        clock: the time now, aware, UTC; ``--now`` replaces it.
        secret: key for tokens and for the hashes of erased addresses.
        registry: what flows may name, the plugins' share included.
        flows: the flows, compiled.
        changed: called after each commit that may have made something due; cheap, from any thread.
    """

    config: Config
    db: Database
    blobs: Blobs
    plugins: PluginHost
    ours: Ours
    clock: Callable[[], datetime]
    secret: bytes
    registry: Registry
    flows: FlowBook
    changed: Callable[[], None]
