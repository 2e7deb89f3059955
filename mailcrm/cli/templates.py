"""What the commands share that print definitions to begin with."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from mailcrm.cli.output import emit
from mailcrm.errors import Refused
from mailcrm.gallery import Template

_COLUMNS = ("slug", "language", "kind", "name", "description")


def show_templates(found: Sequence[Template], name: str | None, as_json: bool) -> None:
    """List them, or print the file of the one of this name. Raises Refused: there is none."""
    if name is None:
        emit([{column: getattr(each, column) for column in _COLUMNS} for each in found], as_json, _COLUMNS)
        return
    wanted = [each for each in found if name in (each.slug, each.name, f"{each.slug}.{each.language}")]
    if not wanted:
        raise Refused(f"there is no template {name!r}; there are {', '.join(dict.fromkeys(t.slug for t in found))}")
    typer.echo(wanted[0].text, nl=False)
