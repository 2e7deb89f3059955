"""Our side of the idle benchmark: ``ours_idle CONFIG`` prints the seconds, and the kilobytes an account takes."""

from __future__ import annotations

import gc
import sys
import time
from pathlib import Path
from threading import Thread

import psutil

from mailcrm.app.context import Context
from mailcrm.app.intake import StoreIntake
from mailcrm.mail.imap_account import State
from mailcrm.mail.imap_watch import Watcher
from mailcrm.mail.readers import Readers
from mailcrm.main import build


def main() -> None:
    context = build(Path(sys.argv[1]))
    keys = sorted(context.config.mailboxes)
    with Readers(context.config.data / "files", context.config.parsing) as readers:
        _watch(context, readers, frozenset(keys[:5]))  # loads what is loaded once, whatever the number
        before = _memory()
        seconds, after = _watch(context, readers, frozenset(keys[5:]))
    print(seconds, (after - before) / 1000 / (len(keys) - 5))
    context.db.close()


def _watch(context: Context, readers: Readers, keys: frozenset[str]) -> tuple[float, int]:
    """Connect these mailboxes; the seconds until all sleep, and the memory then, in bytes."""
    watcher = Watcher(context.config, StoreIntake(context), readers, context.blobs, mailboxes=keys)
    thread = Thread(target=watcher.run)
    start = time.perf_counter()
    thread.start()

    while not all(state is State.WATCHING for state, _ in watcher.states().values()):
        time.sleep(0.2)  # looking more often would take the time from the watcher
    seconds = time.perf_counter() - start
    used = _memory()
    watcher.stop()
    thread.join()
    return seconds, used


def _memory() -> int:
    gc.collect()
    uss: int = psutil.Process().memory_full_info().uss
    return uss


if __name__ == "__main__":
    main()
