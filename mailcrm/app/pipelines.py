"""Pipelines as files: ``kind = "pipeline"``, a name, and the stages in order."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal

import msgspec

from mailcrm.app.context import Context
from mailcrm.app.text_file import text_of
from mailcrm.core.given import text
from mailcrm.errors import Refused
from mailcrm.store import pipelines


class Definition(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A pipeline's file."""

    kind: Literal["pipeline"]
    name: str
    stages: list[str]


def read(path: Path) -> Definition:
    """Read and check a pipeline's file. Raises Refused; the text names the file, the key and the mend."""
    try:
        found = msgspec.convert(tomllib.loads(text_of(path)), Definition)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise Refused(f'{path}: {error}; it holds kind = "pipeline", name = "…", stages = ["…", "…"]') from None
    stages = [text(stage, f"{path}: a stage's name") for stage in found.stages]
    if not stages:
        raise Refused(f"{path}: stages is empty; a pipeline has at least one stage")
    twice = next((stage for stage in stages if stages.count(stage) > 1), None)
    if twice:
        raise Refused(f"{path}: the stage {twice!r} stands there twice; give each its own name")
    return Definition(kind="pipeline", name=text(found.name, f"{path}: name"), stages=stages)


def difference(context: Context, wanted: Definition) -> list[str]:
    """What applying it would change, one thing a line; nothing where it is like that already."""
    with context.db.read() as connection:
        stored = next((each for each in pipelines.every(connection) if each.name == wanted.name), None)
    if stored is None:
        return [f"new pipeline {wanted.name}: {', '.join(wanted.stages)}"]
    lines = [f"- {stage}" for stage in stored.stages if stage not in wanted.stages]
    lines += [f"+ {stage}" for stage in wanted.stages if stage not in stored.stages]
    kept = [stage for stage in stored.stages if stage in wanted.stages]
    if kept != [stage for stage in wanted.stages if stage in stored.stages]:
        lines.append(f"order: {', '.join(wanted.stages)}")
    return lines


def apply(context: Context, wanted: Definition) -> None:
    """Store it. Raises Refused if a stage with open deals would go away."""
    with context.db.write() as connection:
        pipelines.apply(connection, wanted.name, wanted.stages, context.clock())
    context.changed()
