"""What operators and their monitors ask: alive, ready, figures (Prometheus text format)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from litestar import Response, get
from litestar.datastructures import State
from litestar.enums import MediaType
from sqlalchemy.exc import SQLAlchemyError

from mailcrm.app.context import Context
from mailcrm.errors import MailcrmError
from mailcrm.store import figures
from mailcrm.store.figures import Figures


@get("/healthz")
async def healthz() -> Response[str]:
    """The program runs."""
    return _text("ok\n")


@get("/readyz", sync_to_thread=True)
def readyz(state: State) -> Response[str]:
    """The program does its work: 503 with the faults, one a line, if the database or a part fails."""
    health: Mapping[str, str] = state.health()
    faults = [f"{part}: {said}" for part, said in health.items() if said != "ok"]
    context: Context = state.context
    try:
        with context.db.read() as connection:
            connection.exec_driver_sql("SELECT 1")
    except (SQLAlchemyError, MailcrmError):
        faults.append("database: can't be read")
    return _text("\n".join(faults or ["ok"]) + "\n", 503 if faults else 200)


@get("/metrics", sync_to_thread=True)
def metrics(state: State) -> Response[str]:
    """Counts and states."""
    context: Context = state.context
    with context.db.read() as connection:
        found = figures.read(connection)
    return Response("".join(_lines(found)), media_type="text/plain; version=0.0.4")  # charset is added


HANDLERS = (healthz, readyz, metrics)


def _lines(found: Figures) -> Iterator[str]:
    yield from _gauge("mailcrm_messages", "Messages stored.", {"": found.messages})
    yield from _gauge("mailcrm_quarantine", "Messages that can't be read.", {"": found.quarantined})
    yield from _gauge("mailcrm_choices", "Questions about deals.", _by("state", found.choices))
    yield from _gauge("mailcrm_outbox", "Outgoing mail.", _by("state", found.outbox))
    states = {f'{{mailbox="{_quoted(key)}",state="{state}"}}': 1 for key, state in found.mailboxes.items()}
    yield from _gauge("mailcrm_mailbox", "Mailboxes, each with its state.", states)


def _gauge(name: str, text: str, values: Mapping[str, int]) -> Iterator[str]:
    yield f"# HELP {name} {text}\n# TYPE {name} gauge\n"
    for labels, value in sorted(values.items()):
        yield f"{name}{labels} {value}\n"


def _by(label: str, values: Mapping[str, int]) -> dict[str, int]:
    return {f'{{{label}="{_quoted(name)}"}}': value for name, value in values.items()}


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _text(text: str, status: int = 200) -> Response[str]:
    return Response(text, status_code=status, media_type=MediaType.TEXT)
