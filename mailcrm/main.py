"""The composition root: the only place that builds objects."""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from mailcrm import config as configuration
from mailcrm.app.ask import drop_box
from mailcrm.app.context import Context
from mailcrm.app.flow_book import FlowBook
from mailcrm.app.registry import BUILT_IN, registry
from mailcrm.core.addresses import normalise
from mailcrm.core.ours import Ours
from mailcrm.plugins import PluginHost
from mailcrm.store import mailboxes, places, users, wake
from mailcrm.store.blobs import Blobs, local_secret
from mailcrm.store.db import Database
from mailcrm.store.migrate import ensure_current


def build(path: Path, *, now: datetime | None = None, changed: Callable[[], None] = lambda: None) -> Context:
    """Read the configuration, open (and on first use create) the database, load the plugins.

    Args:
        path: the configuration file.
        now: a fixed time for this command instead of the clock; aware.
        changed: see Context.

    Raises:
        ConfigError: the configuration is wrong.
        Refused, Temporary, Permanent: the database can't be used; see ``ensure_current``.
    """
    config = configuration.load(path)
    database = Database(config.database_url())
    try:
        places.see_to(database, config.data)
        ensure_current(database)
        with database.write() as connection:
            users.sync(connection, config)
            mailboxes.sync(connection, config)
    except BaseException:
        database.close()
        raise
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)  # mail leaves no cycles behind, so looking for them is wasted on it
    plugins = load_plugins(config)
    known = registry(plugins)

    def told() -> None:
        changed()
        wake.call(database)

    return Context(
        config=config,
        db=database,
        blobs=Blobs(config.data / "files"),
        plugins=plugins,
        ours=ours(config),
        clock=(lambda: now) if now else lambda: datetime.now(UTC),
        secret=secret(config),
        registry=known,
        flows=FlowBook(known, config),
        changed=told,
    )


def ours(config: configuration.Config) -> Ours:
    """Who we are, as configured."""
    people = {
        address: key
        for key, user in config.users.items()
        for address in (normalise(given) for given in (user.email, *user.aliases))
        if address
    }
    box = drop_box(config)
    return Ours(
        users=people,
        domains=frozenset(domain.casefold() for domain in config.domains),
        addresses=frozenset({box} if box else ()),
        blocklist=frozenset(entry.casefold() for entry in config.linking.blocklist),
    )


def secret(config: configuration.Config) -> bytes:
    """The key for tokens: ``web.secret``, or one kept in the data folder where none is configured."""
    if config.web.secret is not None:
        return hashlib.sha256(config.secret(config.web.secret, "web.secret").encode()).digest()
    return local_secret(config.data)


def load_plugins(config: configuration.Config) -> PluginHost:
    """The bundled plugins, those installed as packages and those of the configured folder."""
    host = PluginHost(config.plugins.block, config.plugins.config, known=BUILT_IN, base=Path(config.base))
    host.load(folder=config.path(config.plugins.folder) if config.plugins.folder else None)
    return host
