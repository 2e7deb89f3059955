"""The program, one command after another in this process, with a clock of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from mailcrm.cli.app import main
from mailcrm.core.spans import exact

MONDAY = datetime(2026, 11, 2, 9, tzinfo=UTC)
EWA = "ewa@klient.example"


@dataclass
class Crm:
    """The program, one command after another, with a clock of its own."""

    folder: Path
    settings: dict[str, Any]
    capture: Callable[[], Any]
    now: datetime = MONDAY
    errors: str = ""
    _config: Path = field(init=False)

    def __post_init__(self) -> None:
        self._config = self.folder / "config.toml"
        self._config.write_bytes(msgspec.toml.encode(self.settings))

    def __call__(self, *arguments: str, code: int = 0, user: str | None = None) -> str:
        """Run a command; its standard output. What it said on standard error is in ``errors``."""
        who = ("--as", user) if user else ()
        options = ("--config", str(self._config), *who, "--now", self.now.isoformat())
        given = main([*options, *arguments])
        said = self.capture()
        self.errors = said.err
        assert given == code, f"{arguments}: {given}\n{said.out}\n{said.err}"
        return str(said.out)

    def rows(self, *arguments: str) -> list[dict[str, Any]]:
        """The objects that a command prints with ``--json``."""
        return [json.loads(line) for line in self(*arguments, "--json").splitlines()]

    def later(self, span: str) -> dict[str, Any]:
        """Let time pass, then do everything that is due; what was done."""
        self.now += exact(span)
        (done,) = self.rows("tick")
        return done

    def file(self, text: str) -> str:
        """A definition file."""
        path = self.folder / f"definition-{len(list(self.folder.glob('definition-*')))}.toml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    def workflow(self, text: str, *, active: bool = True) -> str:
        """Apply a workflow and activate it; what applying printed."""
        name = json.loads(text.partition("name = ")[2].splitlines()[0])
        told = self("workflow", "apply", self.file(text), "--yes")
        if active:
            self("workflow", "activate", name, "--yes")
        return told

    def tell(self, kind: str, person: str = EWA, /, **data: Any) -> None:
        """Tell of an event."""
        self("event", "emit", kind, "--person", person, "--data", json.dumps(data))

    def emit(self, kind: str, person: str = EWA, /, **data: Any) -> None:
        """Tell of an event, and let flows react to it."""
        self.tell(kind, person, **data)
        self("tick")

    def trace(self, name: str, person: str = EWA) -> dict[str, Any]:
        """The latest run."""
        (run,) = self.rows("workflow", "trace", name, person)
        return run

    def tags(self, person: str = EWA) -> set[str]:
        (row,) = self.rows("person", "show", person)
        return set(row["tags"])

    def inside(self, name: str) -> int:
        return next(row["in_progress"] for row in self.rows("workflow", "list") if row["name"] == name)


def settings(database: str = "sqlite:///test.db", **more: Any) -> dict[str, Any]:
    users = {
        "anna": {
            "email": "anna@firma.example",
            "name": "Anna Nowak",
            "signature": "Anna Nowak\nFirma",
            "permissions": ["bulk"],
        },
        "jan": {"email": "jan@firma.example", "name": "Jan Lis"},
    }
    boxes = {"anna": {"user": "anna"}, "jan": {"user": "jan"}}
    common = {"domains": ["firma.example"], "database": database, "users": users, "mailboxes": boxes}
    return {**common, "web": {"secret": "thirty-two characters, more or less"}, **more}
