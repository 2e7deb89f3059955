"""Templates of letters: apply, remove, and which flows use them."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from mailcrm.app import template_files
from mailcrm.app.acting import Actor
from mailcrm.app.context import Context
from mailcrm.app.template_uses import Use, used_by
from mailcrm.builtin import variables
from mailcrm.core.definitions import (
    DefinitionError,
    Faults,
    Purpose,
    TemplateDefinition,
    to_data,
    to_toml,
)
from mailcrm.core.flow_diff import difference
from mailcrm.core.rich import left_out
from mailcrm.errors import Refused
from mailcrm.store import templates
from mailcrm.store.templates import NewTemplate, Picture, StoredTemplate


@dataclass(frozen=True, slots=True)
class Plan:
    """A definition beside what is stored under its name.

    Args:
        stored: None: it is new.
        pictures: those that it shows, each with its content; None: that is stored already.
        changes: what it changes, one thing a line; of a new template what it is.
        uses: the flows whose letters it is.
    """

    definition: TemplateDefinition
    stored: StoredTemplate | None
    pictures: tuple[tuple[Picture, bytes | None], ...]
    changes: tuple[str, ...]
    uses: tuple[Use, ...]


def read(context: Context, path: Path) -> Plan:
    """Read a template's file with its pictures, and compare it with what is stored.

    Raises:
        Refused: it can't be read.
        DefinitionError: with every fault, each with file, line, element and mend; also where a flow that uses the
            template could not write its letters any more.
    """
    definition, faults = template_files.read(path)
    with context.db.read() as connection:
        stored = templates.named(connection, definition.name)
        uses = tuple(used_by(connection, definition.name))
    known = {each.name: each for each in stored.new.images} if stored else {}
    pictures = template_files.with_pictures(path, definition, faults, known)
    _still_fits(definition, uses, faults)
    return Plan(definition, stored, pictures, tuple(_changes(definition, stored, pictures)), uses)


def effect(plan: Plan) -> str:
    """What applying does to the flows that use it, in words (SEQ-18)."""
    if not plan.uses:
        return "no flow uses it"
    return f"used by {_listed(plan.uses)}: mail that is scheduled goes as it is, later mail has the new text"


def remarks(plan: Plan) -> list[str]:
    """What its author should know: what of the HTML is not sent."""
    return [f"html: {each} is left out when it is sent" for each in left_out(plan.definition.html or "")]


def apply(context: Context, actor: Actor, plan: Plan) -> int:
    """Store a plan's template; gives its id.

    Raises:
        Refused: since the plan was made it was changed, or the flows that use it were.
    """
    definition, now = plan.definition, context.clock()
    context.blobs.settle({context.blobs.put(content)[0] for _, content in plan.pictures if content is not None})
    with context.db.write() as connection:
        context.flows.change(connection, now)  # nobody begins to use it meanwhile
        stored = templates.named(connection, definition.name)
        if (stored and stored.changed_at) != (plan.stored and plan.stored.changed_at):
            raise Refused(f"{definition.name!r} was changed by somebody else meanwhile; look, and apply the file again")
        if tuple(used_by(connection, definition.name)) != plan.uses:
            raise Refused(f"flows that use {definition.name!r} were changed meanwhile; apply the file again")
        return templates.put(connection, new(definition, [picture for picture, _ in plan.pictures]), actor.source, now)


def remove(context: Context, actor: Actor, name: str) -> None:
    """Take a template out of every list.

    Raises:
        NotFound: there is none of that name.
        Refused: a flow uses it.
    """
    now = context.clock()
    with context.db.write() as connection:
        context.flows.change(connection, now)  # nobody begins to use it meanwhile
        stored = templates.find(connection, name)
        if uses := list(used_by(connection, stored.new.name)):
            raise Refused(f"the template {stored.new.name!r} is used by {_listed(uses)}; change that first")
        templates.remove(connection, stored.id, actor.source, now)


def new(definition: TemplateDefinition, pictures: Sequence[Picture] = ()) -> NewTemplate:
    """A definition as it is stored."""
    purpose, text, html = definition.purpose.value, definition.body, definition.html
    return NewTemplate(definition.name, purpose, definition.language, definition.subject, text, html, tuple(pictures))


def definition(stored: NewTemplate) -> TemplateDefinition:
    """What is stored, as its author wrote it."""
    purpose = Purpose(stored.purpose)
    return TemplateDefinition(stored.name, purpose, stored.subject, stored.text, stored.html, stored.language)


def shape(connection: Connection, stored: StoredTemplate) -> dict[str, Any]:
    """A template as JSON."""
    told = {key: value for key, value in to_data(definition(stored.new)).items() if key != "kind"}
    keys = ("name", "for", "language", "subject", "body", "html")
    images = [{"name": each.name, "type": each.type, "size": each.size} for each in stored.new.images]
    return {
        "id": stored.id,
        **{key: told.get(key) for key in keys},
        "images": images,
        "used_by": [each.flow.name for each in used_by(connection, stored.new.name)],
        "changed_at": stored.changed_at,
        "changed_by": stored.changed_by,
    }


def _still_fits(definition: TemplateDefinition, uses: Sequence[Use], faults: Faults) -> None:
    """Raises DefinitionError: a flow that uses it could not write its letters."""
    parts = {"subject": definition.subject, "body": definition.body, "html": definition.html or ""}
    for use in uses:
        flow = f"the {use.flow.kind} {use.flow.name!r}"
        if definition.purpose not in use.purposes:
            uses_it = "sends it" if definition.purpose is Purpose.CALL else "uses it"
            faults.add(("for",), f"{flow} {uses_it}", f'write for = "{use.purposes[0]}"')
        for part, template in parts.items():
            try:
                variables.check(template, use.item)
            except Refused as error:
                what, _, mend = str(error).partition("; ")
                faults.add((part,), f"{flow} uses it for {use.item.removesuffix('s')}s: {what}", mend)
    if faults.found:
        raise DefinitionError(faults.found)


def _changes(
    definition: TemplateDefinition,
    stored: StoredTemplate | None,
    pictures: Sequence[tuple[Picture, bytes | None]],
) -> list[str]:
    if stored is None:
        form = ", with HTML" if definition.html else ""
        shown = f", pictures: {', '.join(picture.name for picture, _ in pictures)}" if pictures else ""
        return [f"new template {definition.name!r}: for {definition.purpose}{form}{shown}"]
    before, after = (tomllib.loads(to_toml(each)) for each in (_stored(stored), definition))
    known = {each.name: each for each in stored.new.images}
    changed = [each.name for each, _ in pictures if each.name in known and known[each.name].sha256 != each.sha256]
    return [*difference(before, after), *(f"~ picture {name}" for name in changed)]


def _stored(stored: StoredTemplate) -> TemplateDefinition:
    return definition(stored.new)


def _listed(uses: Sequence[Use]) -> str:
    return ", ".join(f"the {each.flow.kind} {each.flow.name!r}" for each in uses)
