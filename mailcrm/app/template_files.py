"""The files of a template: its definition, and beside it the pictures that its HTML shows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote

from mailcrm.app.text_file import text_of
from mailcrm.builtin import variables
from mailcrm.core.definitions import DefinitionError, Faults, TemplateDefinition, parse_template, to_toml
from mailcrm.core.rich import pictures
from mailcrm.errors import Refused
from mailcrm.store.blobs import Blobs
from mailcrm.store.templates import Picture, StoredTemplate

MOST_PICTURES, LARGEST, LARGEST_TOGETHER = 20, 500_000, 1_000_000
"""How many, and their bytes: each mail holds them, a third larger, and waits in the outbox with them."""

_BEGINNINGS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)


def read(path: Path) -> tuple[TemplateDefinition, Faults]:
    """Read and check a definition file, its pictures not yet.

    Raises:
        Refused: it can't be read.
        DefinitionError: with every fault, each with file, line, element and mend.
    """
    text = text_of(path)
    definition = parse_template(text, str(path), check_letter=variables.check)
    return definition, Faults(str(path), text.replace("\r\n", "\n"))


def with_pictures(
    path: Path, definition: TemplateDefinition, faults: Faults, stored: Mapping[str, Picture]
) -> tuple[tuple[Picture, bytes | None], ...]:
    """The pictures that a template shows; what is no longer beside the file is taken from those stored.

    Raises:
        DefinitionError: one is missing, too large, outside of the folder, or no picture.
    """
    found: list[tuple[Picture, bytes | None]] = []
    for name in pictures(definition.html or ""):
        try:
            content = _content(path.parent, name)
        except FileNotFoundError:
            if name in stored:
                found.append((stored[name], None))
            else:
                faults.add(("html",), f"shows {name}, which is not beside {path.name}", "put the file there")
        except Refused as error:
            what, _, mend = str(error).partition("; ")
            faults.add(("html",), what, mend)
        else:
            found.append((_picture(name, content), content))
    if len(found) > MOST_PICTURES:
        faults.add(("html",), f"shows more than {MOST_PICTURES} pictures", "leave some out")
    if sum(picture.size for picture, _ in found) > LARGEST_TOGETHER:
        faults.add(("html",), f"shows pictures of more than {LARGEST_TOGETHER:,} bytes together", "make them smaller")
    if faults.found:
        raise DefinitionError(faults.found)
    return tuple(found)


def save(blobs: Blobs, stored: StoredTemplate, definition: TemplateDefinition, folder: Path, name: str) -> list[Path]:
    """Write a template's file and its pictures into a folder, which is made if missing; none is written over.

    Args:
        name: of the definition file.

    Raises:
        Refused: one of the files is there already.
        NotFound: a picture's content is gone.
    """
    contents = {name: to_toml(definition).encode()}
    contents |= {each.name: blobs.read(each.sha256) for each in stored.new.images}
    for file in contents:
        if _within(folder, file).exists():
            raise Refused(f"{folder / file} is there already; name another folder")
    for file, content in contents.items():
        path = _within(folder, file)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return [folder / file for file in contents]


def _content(folder: Path, name: str) -> bytes:
    """Raises FileNotFoundError, or Refused: it lies elsewhere, is too large, can't be read, or is no picture."""
    path = _within(folder, name)
    if not path.exists():
        path = _within(folder, unquote(name))
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Refused(f"can't read {path}: {error.strerror}; mend that") from None
    if len(content) > LARGEST:
        raise Refused(f"{name} has more than {LARGEST:,} bytes; make it smaller")
    if not _type(content):
        raise Refused(f"{name} is no picture; write PNG, JPEG, GIF or WebP")
    return content


def _within(folder: Path, name: str) -> Path:
    """Raises Refused: it would lead out of the folder."""
    try:
        path = (folder / name).resolve()
    except (ValueError, OSError, RuntimeError):
        raise Refused(f"{name!r:.100} is no file's name; write one beside the definition") from None
    if not path.is_relative_to(folder.resolve()):
        raise Refused(f"{name} lies outside of the definition's folder; put it beside the definition")
    return path


def _picture(name: str, content: bytes) -> Picture:
    digest = hashlib.sha256(content).hexdigest()
    return Picture(f"{digest[:32]}@picture", name, _type(content), digest, len(content))


def _type(content: bytes) -> str:
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for beginning, kind in _BEGINNINGS if content.startswith(beginning)), "")
