"""Our side of the idle benchmark: ``ours_idle CONFIG COUNT`` prints the seconds until all sleep, and the memory."""

from __future__ import annotations

import gc
import sys
import time
from pathlib import Path
from threading import Thread

import psutil

from mailcrm.app.intake import StoreIntake
from mailcrm.mail.imap_account import State
from mailcrm.mail.imap_watch import Watcher
from mailcrm.mail.readers import Readers
from mailcrm.main import build


def main() -> None:
    context = build(Path(sys.argv[1]))
    keys = frozenset(sorted(context.config.mailboxes)[: int(sys.argv[2])])
    with Readers(context.config.data / "files", context.config.parsing) as readers:
        watcher = Watcher(context.config, StoreIntake(context), readers, context.blobs, mailboxes=keys)
        thread = Thread(target=watcher.run)
        start = time.perf_counter()
        thread.start()
        while not all(state is State.WATCHING for state, _ in watcher.states().values()):
            time.sleep(0.2)  # looking more often would take the time from the watcher
        print(time.perf_counter() - start, _memory())
        watcher.stop()
        thread.join()
    context.db.close()


def _memory() -> int:
    gc.collect()
    uss: int = psutil.Process().memory_full_info().uss
    return uss


if __name__ == "__main__":
    main()
