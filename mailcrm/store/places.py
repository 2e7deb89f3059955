"""Where things lie on disk, looked at before anything is written there: a fault names the key."""

from __future__ import annotations

import os
from pathlib import Path

from mailcrm.errors import ConfigError
from mailcrm.store.db import Database


def see_to(database: Database, data: Path) -> None:
    """As ``see_to_data``, and of SQLite see that its file can be opened.

    Raises:
        ConfigError: the text names the key.
    """
    see_to_data(data)
    see_to_file(database)


def see_to_data(folder: Path) -> None:
    """Make the data folder if it is missing. Raises ConfigError: it can't be made, or not be written into."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"data_dir: can't make {folder}: {error.strerror}; name one where this user may write"
        ) from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"data_dir: this user may not write into {folder}; `chown` it to him")


def see_to_file(database: Database) -> None:
    """Of SQLite, see that its file may be written, or made. Raises ConfigError.

    The file is not opened: to close it would drop the locks that SQLite holds on it in this process.
    """
    name = database.engine.url.database
    if not database.is_sqlite or not name or name == ":memory:":
        return
    file = Path(name)
    if not file.parent.is_dir():
        raise ConfigError(f"database: there is no folder {file.parent}; make it, or name another in `database`")
    if not os.access(file if file.exists() else file.parent, os.W_OK):
        raise ConfigError(f"database: this user may not write {file}; `chown` it and its folder to him")
