"""Options and arguments that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

LARGEST_ID = 2**63 - 1  # that a database holds
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")]
Toml = Annotated[bool, typer.Option("--toml", help="Its definition file.")]
Person = Annotated[str | None, typer.Option("--person", metavar="PERSON", help="Name, e-mail or id.")]
Org = Annotated[str | None, typer.Option("--org", metavar="ORG", help="Name, domain or id.")]
Deal = Annotated[str | None, typer.Option("--deal", metavar="DEAL", help="Title or id.")]
Lead = Annotated[str | None, typer.Option("--lead", metavar="LEAD", help="Title or id.")]
Owner = Annotated[str | None, typer.Option("--owner", metavar="USER", help="Key, e-mail or id.")]
Value = Annotated[str | None, typer.Option(metavar="AMOUNT", help="What it is worth: 1200.50.")]
Currency = Annotated[str | None, typer.Option(metavar="CODE", help="Three letters: PLN.")]
Keep = Annotated[str, typer.Argument(metavar="KEEP", help="Which stays.")]
Gone = Annotated[str, typer.Argument(metavar="GONE", help="Which becomes part of it.")]
Search = Annotated[str | None, typer.Option("--search", metavar="TEXT", help="A part of the name or title.")]
Save = Annotated[Path | None, typer.Option("--save", metavar="FOLDER", help="Write them there.")]
