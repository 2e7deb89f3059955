"""``mailcrm parse``: what is seen in mail files. Stores nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mailcrm.cli import output
from mailcrm.cli.context import invocation

if TYPE_CHECKING:
    from mailcrm.config import Config
    from mailcrm.core.ours import Ours
    from mailcrm.mail.content import Content

app = typer.Typer()

BATCH = 64  # messages
BATCH_BYTES = 4_000_000
COLUMNS = ("file", "kind", "from", "subject", "date", "error")


@app.command()
def parse(
    ctx: typer.Context,
    paths: Annotated[list[Path], typer.Argument(metavar="FILE|DIR…", help=".eml, mbox, maildir or a folder of .eml.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Show what is seen in each message; stores nothing.

    Exit code 0 if every file got a row (also one with an error), 1 if a path could not be read.
    """
    faults: list[tuple[str, str]] = []
    output.emit(_rows(ctx, paths, faults), as_json, COLUMNS)
    if any(not path.exists() for path in paths):
        raise typer.Exit(1)


def _rows(ctx: typer.Context, paths: list[Path], faults: list[tuple[str, str]]) -> Iterator[dict[str, Any]]:
    from mailcrm.mail.files import messages
    from mailcrm.mail.readers import Readers

    config, ours = _surroundings(ctx)
    with Readers(None, config.parsing) as readers:
        running: deque[tuple[list[str], Future[list[Content]]]] = deque()
        labels: list[str] = []
        raws: list[bytes] = []
        size = 0
        for path in paths:
            for label, raw in messages(path, lambda label, reason: faults.append((label, reason))):
                labels.append(label)
                raws.append(raw)
                size += len(raw)
                if len(raws) == BATCH or size > BATCH_BYTES:
                    running.append((labels, readers.submit(raws)))
                    labels, raws, size = [], [], 0
                while len(running) > 2:
                    yield from _batch(*running.popleft(), ours)
        if raws:
            running.append((labels, readers.submit(raws)))
        for each in running:
            yield from _batch(*each, ours)
    for label, reason in faults:
        yield _failed(label, reason)


def _surroundings(ctx: typer.Context) -> tuple[Config, Ours]:
    """The configured bounds, and who we are; the defaults and nobody where there is no configuration."""
    from mailcrm import config as configuration
    from mailcrm.main import ours

    path = invocation(ctx).config
    config = configuration.load(path) if path.exists() else configuration.Config()
    return config, ours(config)


def _batch(labels: list[str], future: Future[list[Content]], ours: Ours) -> Iterator[dict[str, Any]]:
    from mailcrm.app.shapes import message_shape
    from mailcrm.core.model import Direction

    for label, content in zip(labels, future.result(), strict=True):
        if not isinstance(content, tuple):
            yield _failed(label, content.reason)
            continue
        message, reading = content
        own = message.from_ is not None and ours.is_ours(message.from_.email)
        row = message_shape(message, reading, direction=Direction.OUT if own else Direction.IN)
        yield {"file": label, "error": None, **row}


def _failed(label: str, reason: str) -> dict[str, Any]:
    """The row of a message that could not be read: every key is there."""
    from mailcrm.app.shapes import message_shape
    from mailcrm.core.model import Kind, Message, Reading

    nothing = message_shape(Message(None, None, None), Reading(Kind.HUMAN, ""))
    return {"file": label, "error": reason, **{k: v if isinstance(v, list) else None for k, v in nothing.items()}}
