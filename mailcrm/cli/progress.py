"""A progress bar on a terminal, plain lines otherwise; always on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mailcrm.cli.output import say
from mailcrm.core.plural import counted

_EVERY = 5.0  # seconds between plain lines


@contextmanager
def progress(label: str, thing: str = "message") -> Iterator[Callable[[int, int], None]]:
    """Gives a function to be told how many things are done, of how many; 0: nobody knows of how many."""
    if sys.stderr.isatty():
        with _bar(label) as told:
            yield told
        return
    last = time.monotonic()

    def line(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _EVERY or done >= total > 0:
            last = time.monotonic()
            say(f"{label}: {f'{done} of ' if total else ''}{counted(total or done, thing)}")

    yield line


@contextmanager
def _bar(label: str) -> Iterator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total or None)
