"""From the text of a template's file to its definition."""

from __future__ import annotations

import re

from mailcrm.core.definitions.faults import DefinitionError
from mailcrm.core.definitions.model import Purpose, TemplateDefinition
from mailcrm.core.definitions.parsing import opened
from mailcrm.core.definitions.table import Table
from mailcrm.core.definitions.wording import CheckLetter, is_template
from mailcrm.errors import Refused

ANY_ITEM = "any"
"""What a template is about is told by the flow that uses it."""

_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Z]{2})?")


def parse_template(text: str, file: str, *, check_letter: CheckLetter = is_template) -> TemplateDefinition:
    """Read a template's definition and check all of it but its pictures.

    Args:
        file: its name, for the faults.
        check_letter: what its parts must pass; told ``ANY_ITEM``.

    Raises:
        DefinitionError: with every fault found, each with its line and mend.
    """
    data, faults = opened(text, file)
    table = Table(data, (), faults)
    kind = table.take("kind")
    if kind != "template":
        what = "kind is missing" if kind is None else "this defines no template"
        table.fault(None if kind is None else "kind", what, 'write kind = "template"')
        raise DefinitionError(faults.found)
    definition = TemplateDefinition(
        name=table.name("name"),
        purpose=table.choice("for", Purpose, Purpose.EMAIL),
        subject=table.text("subject") or "",
        body=table.text("body") or "",
        html=table.text("html") or None,
        language=table.text("language"),
    )
    table.close()
    _demand(table, definition)
    if not faults.found:
        for part in ("subject", "body", "html"):
            _check(table, part, getattr(definition, part), check_letter)
    if faults.found:
        raise DefinitionError(faults.found)
    return definition


def _demand(table: Table, definition: TemplateDefinition) -> None:
    if definition.language is not None and not _LANGUAGE.fullmatch(definition.language):
        table.fault("language", "is no language's code", 'write one such as "pl" or "en-GB"')
    if not definition.body.strip() and not (definition.html or "").strip():
        table.fault("body" if "body" in table.data else None, "has nothing to say", "write body or html, or both")
    if not definition.subject.strip() and definition.purpose is not Purpose.CALL:
        table.fault("subject" if "subject" in table.data else None, "subject is missing", 'write subject = "…"')


def _check(table: Table, part: str, template: str | None, check: CheckLetter) -> None:
    try:
        check(template or "", ANY_ITEM)
    except Refused as error:
        what, _, mend = str(error).partition("; ")
        table.fault(part, what, mend or "mend the template")
