"""Split and merge threads by hand; what was made so stays so."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, func, select

from mailcrm.app.ask import question_key
from mailcrm.app.context import Context
from mailcrm.errors import Refused
from mailcrm.store import messages, outbox, threads
from mailcrm.store.tables import message, thread_apart


def split(context: Context, names: Sequence[str]) -> int:
    """Give messages a thread of their own.

    Args:
        names: Message-IDs or numbers, all of one thread.

    Returns:
        The new thread's id.

    Raises:
        NotFound: no such message.
        Refused: they belong to several threads, or are the whole thread.
    """
    with context.db.write() as connection:
        ids = sorted({threads.find_message(connection, name) for name in names})
        owners = set(connection.scalars(select(message.c.thread_id).where(message.c.id.in_(ids))))
        if len(owners) != 1:
            raise Refused(f"these messages belong to {len(owners)} threads; split one thread at a time")
        count = connection.scalar(select(func.count()).where(message.c.thread_id.in_(owners)))
        if count == len(ids):
            raise Refused(f"these are all messages of thread {owners.pop()}; there is nothing to split")
        fresh = threads.split(connection, ids, context.clock())
    context.changed()
    return fresh


def merge(context: Context, into: int, others: Sequence[int]) -> int:
    """Make several threads one. Gives the id of the thread that remains.

    Raises:
        NotFound: no such thread.
        Refused: it is one thread already.
    """
    with context.db.write() as connection:
        target = threads.live(connection, into)
        gone = {threads.live(connection, other) for other in others} - {target}
        if not gone:
            raise Refused(f"thread {into} is one thread already")
        together = [target, *gone]
        connection.execute(
            delete(thread_apart).where(thread_apart.c.thread_id.in_(together), thread_apart.c.other_id.in_(together))
        )
        for other in sorted(gone):
            withdrawn = messages.join_threads(connection, other, target, context.clock())
            outbox.withdraw(connection, map(question_key, withdrawn), "its thread was joined with another")
        threads.settle(connection, target)
    context.changed()
    return target
