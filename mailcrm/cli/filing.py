"""The files of a record: listed, or written into a folder."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import typer

from mailcrm.app import pages
from mailcrm.cli.desk import Desk
from mailcrm.cli.output import emit
from mailcrm.store.blobs import Blobs
from mailcrm.store.scope import Noun, Scope

_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f/\\:*?\"<>|\u200e\u200f\u202a-\u202e\u2066-\u2069]+")


def list_or_save(desk: Desk, noun: Noun, given: str, folder: Path | None, as_json: bool) -> None:
    """Print the files of the mail of the record that is meant; with ``folder``, write them there and print where."""
    scope = Scope(noun, desk.find(noun, given))
    with desk.context.db.read() as connection:
        found = pages.files(connection, scope, desk.viewer)
    if folder is None:
        emit(found, as_json, ["name", "type", "size", "at", "message_id"])
        return
    for path in save(desk.context.blobs, found, folder):
        typer.echo(str(path))


def save(blobs: Blobs, files: list[pages.File], folder: Path) -> list[Path]:
    """Write files into a folder, which is made if missing; none is written over. Gives their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for file in files:
        path = _free(folder, safe_name(file.name))
        with blobs.path(file.sha256).open("rb") as source, path.open("xb") as target:
            shutil.copyfileobj(source, target)
        written.append(path)
    return written


def safe_name(given: str) -> str:
    """A stranger's file name without anything that could lead out of a folder or hide it."""
    name = _UNSAFE.sub("_", given).strip(" .")[-150:]
    return name or "file"


def _free(folder: Path, name: str) -> Path:
    path, count = folder / name, 1
    while path.exists():
        count += 1
        path = folder / f"{Path(name).stem}-{count}{Path(name).suffix}"
    return path
