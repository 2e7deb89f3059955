"""What the terminal shows: each letter as it is taken in, and how far the story has come."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parseaddr

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tests.demo.observe import Counts
from tests.demo.story import Becomes, Scene

_PLAIN_WIDTH = 120
_KINDS = {
    "auto_reply": ("automatic", "magenta"),
    "bounce": ("bounce", "red"),
    "bulk": ("bulk", "bright_black"),
    "calendar": ("calendar", "cyan"),
    "receipt": ("receipt", "bright_black"),
    "unsubscribe": ("unsubscribe", "yellow"),
    "quarantine": ("quarantine", "red"),
    "not stored": ("not stored", "bright_black"),
}


class View:
    """The lines of the story, and below them on a terminal the counts.

    Args:
        total: how many letters there are.
    """

    def __init__(self, total: int) -> None:
        self.console = Console()
        if not self.console.is_terminal:
            self.console = Console(width=_PLAIN_WIDTH)
        self.total = total
        self.done = 0
        self._counts: Counts | None = None
        self._live: Live | None = None

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the counts while this lasts."""
        with Live(self._footer(), console=self.console, refresh_per_second=8, transient=True) as live:
            self._live = live
            yield
        self._live = None

    @contextmanager
    def busy(self, text: str) -> Iterator[None]:
        """Say what is being done while this lasts."""
        if not self.console.is_terminal:
            self.console.print(Text(text, style="bright_black"))
            yield
            return
        with self.console.status(Text(text, style="italic yellow")):
            yield

    def title(self, text: str) -> None:
        """A heading in the stream of lines."""
        self.console.print()
        self.console.rule(Text(text, style="bold"), align="left", style="bright_black")

    def letter(self, scene: Scene, becomes: Becomes, counts: Counts) -> None:
        """A letter that has been taken in, and what became of it."""
        self.done += 1
        self._counts = counts
        self.console.print(self._line(scene, becomes))
        if scene.remark:
            self.console.print(Text(f"{'':11}{scene.remark}", style="italic bright_black"), no_wrap=True)
        if becomes != scene.becomes:
            self.console.print(
                Text(f"{'':11}unexpected! The story has it otherwise: {scene.becomes}", style="bold red")
            )
        self._refresh()

    def mail(self, title: str, text: str, *, lines: int = 14, style: str = "yellow") -> None:
        """A mail in a frame, cut to so many lines."""
        kept = text.strip().splitlines()
        shown = kept[:lines] + (["…"] if len(kept) > lines else [])
        self.console.print(Panel(Text("\n".join(shown)), title=title, title_align="left", border_style=style))

    def counts(self, counts: Counts) -> None:
        """New figures for the footer."""
        self._counts = counts
        self._refresh()

    def note(self, text: str | Text) -> None:
        """A line of its own."""
        self.console.print(text if isinstance(text, Text) else Text.from_markup(text), soft_wrap=True)

    def fact(self, about: str, text: str) -> None:
        """A line of its own, with what it is about in front; what does not fit goes on below the text."""
        grid = Table.grid(padding=(0, 2), expand=True)
        grid.add_column(width=16, justify="right", style="bright_black", no_wrap=True)
        grid.add_column(ratio=1)
        grid.add_row(Text(about), Text(text))
        self.console.print(grid)

    def _line(self, scene: Scene, becomes: Becomes) -> RenderableType:
        wide = self.console.width
        grid = Table.grid(padding=(0, 1), expand=True)
        for width in (2, 7, 17 if wide < 115 else 20, 26 if wide < 115 else 34):
            grid.add_column(width=width, no_wrap=True, overflow="ellipsis")
        grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        name, email = parseaddr(scene.shown)
        arrow = "→" if scene.folder == "Sent" else "←"
        rep = "+".join(each[:3] for each in scene.reps) if len(scene.reps) > 1 else (scene.reps or ("lmtp",))[0]
        grid.add_row(
            Text(f"{self.done:>2}", style="bright_black"),
            Text(f"{rep:<5} {arrow}" if len(rep) < 6 else f"{rep[:7]}", style="blue"),
            Text(name or email),
            Text(scene.subject, style="default"),
            _fate(becomes),
        )
        return grid

    def _refresh(self) -> None:
        if self._live is not None:
            self._live.update(self._footer())

    def _footer(self) -> RenderableType:
        bar = Table.grid(padding=(0, 1), expand=True)
        bar.add_column(width=13)
        bar.add_column(ratio=1)
        bar.add_row(
            Text(f"letters {self.done}/{self.total}", style="bold"),
            ProgressBar(total=self.total, completed=self.done, complete_style="green"),
        )
        rows: list[RenderableType] = [Text(), bar]
        if self._counts is not None:
            now = self._counts
            rows.append(
                Text(
                    f"persons {now.persons} · threads {now.threads}, linked to deals {now.linked} · "
                    f"questions {now.choices}, answered {now.answered} · quarantine {now.quarantined}",
                    style="bright_black",
                )
            )
        return Group(*rows)


def _fate(becomes: Becomes) -> Text:
    """Kind, persons and deal or question, in colours."""
    text = Text()
    if becomes.kind in _KINDS:
        word, style = _KINDS[becomes.kind]
        text.append(word, style=style)
        text.append("  ")
    for name in becomes.persons:
        if name in becomes.new:
            text.append(f"+ {name} (new)  ", style="bold green")
        else:
            text.append(f"{name}  ", style="green")
    if becomes.deal:
        text.append(f"→ {becomes.deal}", style="bold cyan")
    elif becomes.asked:
        text.append("? which deal", style="bold yellow")
    return text
