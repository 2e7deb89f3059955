"""One file that holds all: the database and the data folder; and back."""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path, PurePosixPath

from sqlalchemy import select

from mailcrm.app.context import Context
from mailcrm.errors import Refused
from mailcrm.store import migrate, snapshot
from mailcrm.store.db import Database
from mailcrm.store.ownership import Ownership
from mailcrm.store.tables import message, person

_LABEL = "mailcrm-backup.json"
_DATABASE = "database"
_DATA = "data/"


def write(database: Database, data: Path, target: Path, now: datetime) -> int:
    """Back up to a new tar file, for its owner alone; work may go on meanwhile.

    The database is copied first: a file is written before any row names it, so every file that the copy names is there.

    Args:
        data: the data folder.
        target: must not exist.
        now: noted in the backup; aware.

    Returns:
        Its size in bytes.

    Raises:
        Refused: the target exists or can't be written.
    """
    if target.exists():
        raise Refused(f"{target} exists; name another file")
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")
    except OSError as error:
        raise Refused(f"can't write {target}: {error.strerror}; name a folder where you may") from None
    unfinished = Path(name)
    try:
        with os.fdopen(handle, "wb") as file, tempfile.TemporaryDirectory(dir=target.parent) as folder:
            copy = Path(folder) / _DATABASE
            snapshot.dump(database, copy)
            with database.read() as connection:
                schema = migrate.applied(connection)
            kind = snapshot.kind(database)
            with tarfile.open(fileobj=file, mode="w") as tar:
                _add_label(tar, {"format": 1, "database": kind, "schema": schema, "at": now.isoformat()}, now)
                tar.add(copy, _DATABASE)
                for path in _files(data, database):
                    try:
                        tar.add(path, _DATA + path.relative_to(data).as_posix(), recursive=False)
                    except FileNotFoundError:  # erased a moment ago
                        continue
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(target)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    return target.stat().st_size


def is_empty(context: Context) -> bool:
    """True if there are neither persons nor messages, so that a restore loses nothing."""
    with context.db.read() as connection:
        return not any(connection.execute(select(table.c.id).limit(1)).first() for table in (person, message))


@contextmanager
def alone(context: Context) -> Iterator[None]:
    """Keep every mailbox from being read meanwhile: who reads one knows how far, and would not look behind that again.

    Raises:
        Refused: another process reads one.
    """
    with closing(Ownership(context.db, context.config.data / "locks")) as ownership:
        for key in sorted(context.config.mailboxes):
            if not ownership.take(key):
                raise Refused(f"the mailbox {key} is being read; stop `mailcrm run` on every machine, then try again")
        yield


def restore(database: Database, data: Path, source: Path) -> None:
    """Replace the database by that of a backup, and put back the files of the data folder.

    Files that are there already stay: they are named by what they contain.

    Raises:
        Refused: it is no backup, damaged, of the other kind of database, or made with another secret; nothing was
            changed.
    """
    try:
        with (
            tarfile.open(source, "r:") as tar,
            tempfile.TemporaryDirectory(dir=data.parent if data.parent.exists() else None) as folder,
        ):
            members = {member.name: member for member in tar if member.isfile()}
            _check_label(tar, members, snapshot.kind(database), source)
            copy = Path(folder) / _DATABASE
            _extract(tar, members[_DATABASE], copy)
            _check_secret(tar, members, data)
            targets = {name: data / _safe(name, source) for name in members if name.startswith(_DATA)}
            for name, path in targets.items():
                if not path.exists():
                    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                    _extract(tar, members[name], path)
            snapshot.load(database, copy)
    except FileNotFoundError:
        raise Refused(f"{source} does not exist; name a file that `mailcrm db backup` wrote") from None
    except (tarfile.TarError, EOFError) as error:
        raise Refused(f"{source} is no backup, or is damaged: {error}; nothing was changed") from None


def _files(data: Path, database: Database) -> Iterator[Path]:
    own = snapshot.file_of(database)
    for path in sorted(data.rglob("*")):
        if path.is_relative_to(data / "locks"):
            continue
        ours = own is not None and path.name.startswith(own.name) and path.parent == own.parent
        if path.is_file() and not path.name.startswith(".new-") and not ours:
            yield path


def _add_label(tar: tarfile.TarFile, label: dict[str, object], now: datetime) -> None:
    content = json.dumps(label).encode()
    entry = tarfile.TarInfo(_LABEL)
    entry.size, entry.mtime, entry.mode = len(content), int(now.timestamp()), 0o600
    tar.addfile(entry, io.BytesIO(content))


def _check_label(tar: tarfile.TarFile, members: dict[str, tarfile.TarInfo], kind: str, source: Path) -> None:
    if _LABEL not in members or _DATABASE not in members:
        raise Refused(f"{source} is no backup of ours; name a file that `mailcrm db backup` wrote")
    file = tar.extractfile(members[_LABEL])
    label = json.loads(file.read()) if file else {}
    if label.get("format") != 1 or label.get("schema") not in (None, *migrate.known()):
        raise Refused(f"{source} was written by a newer version of mailcrm; install that version first")
    if label.get("database") != kind:
        raise Refused(f"{source} is a backup of {label.get('database')}, and database is {kind}; set database to match")


def _check_secret(tar: tarfile.TarFile, members: dict[str, tarfile.TarInfo], data: Path) -> None:
    """Erased addresses are known by hashes keyed with the secret: with another one they would be stored again."""
    there = data / "secret"
    entry = members.get(f"{_DATA}secret")
    file = tar.extractfile(entry) if entry else None
    if file is not None and there.exists() and file.read() != there.read_bytes():
        raise Refused(f"the backup was made with another secret than {there}; restore into an empty data_dir")


def _safe(name: str, source: Path) -> PurePosixPath:
    relative = PurePosixPath(name.removeprefix(_DATA))
    if relative.is_absolute() or ".." in relative.parts or "\\" in name:
        raise Refused(f"{source} holds a file that would lead out of data_dir: {name!r}; nothing was changed")
    return relative


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    file = tar.extractfile(member)
    assert file is not None
    unfinished = target.with_name(f".new-{target.name}")
    with file, unfinished.open("wb") as copy:
        unfinished.chmod(0o600)
        shutil.copyfileobj(file, copy)
    unfinished.replace(target)
