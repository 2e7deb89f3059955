"""The demo's second half is played with the commands that anybody would give, while a clock of its own runs ahead."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any

from tests.demo.view import View
from tests.demo.world import World


class Desk:
    """Where an act is played.

    Args:
        pace: seconds to look at each line.
    """

    def __init__(self, world: World, view: View, *, pace: float) -> None:
        self.world, self.view, self.pace = world, view, pace
        self.now = datetime.now(UTC)
        self._seen = len(world.sink.mails)

    def apply(self, noun: str, name: str, text: str) -> None:
        """Apply a definition, kept in a file of that name."""
        file = self.world.program.folder / f"{name}.toml"
        file.write_text(text, encoding="utf-8")
        self.do(noun, "apply", str(file), "--yes")

    def emit(self, kind: str, person: str, **data: Any) -> None:
        """Something happens to a person."""
        self.do("event", "emit", kind, "--person", person, "--data", json.dumps(data))
        self.line(f"{person} {kind} {', '.join(map(str, data.values()))}", "event")
        self.let_pass(timedelta())

    def letters(self) -> set[tuple[str, str]]:
        """Recipient and subject of each mail that has left since the last look."""
        found = self.mails()
        for mail in found:
            self.line(f"to {mail['To']}: {mail['Subject']}", "mail")
        return {
            (str(mail["To"]).partition("<")[2].rstrip(">") or str(mail["To"]), str(mail["Subject"])) for mail in found
        }

    def mails(self) -> list[EmailMessage]:
        """The mails that have left since the last look."""
        mails = list(self.world.sink.mails)
        new, self._seen = mails[self._seen :], len(mails)
        return [mail.message for mail in new]

    def let_pass(self, span: timedelta) -> None:
        """Let time pass, the mailboxes be read, and everything that is due be done."""
        self.now += span
        if span:
            later = f"{span.days} days" if span.days > 1 else "a day" if span.days else f"{span.seconds // 3600} hours"
            self.line(f"{self.now:%A %H:%M}", f"{later} later")
        self.do("sync")
        self.do("tick")

    def do(self, *arguments: str) -> None:
        """Give a command as Anna, by the act's clock."""
        self.world.command("--as", "anna", "--now", self.now.isoformat(), *arguments)

    def line(self, text: str, about: str) -> None:
        """Tell what has come about."""
        self.view.fact(about, text)
        time.sleep(self.pace)
