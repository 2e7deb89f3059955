"""Our side of the pipeline: one pass over a mailbox into the database, as ``mailcrm sync`` does it.

``python -m tests.bench.ours_sync CONFIG`` prints the seconds and how many messages were stored.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from mailcrm.app.intake import StoreIntake
from mailcrm.mail.imap_session import Dialer
from mailcrm.mail.imap_sync import sync
from mailcrm.mail.readers import Readers
from mailcrm.main import build


def main() -> None:
    context = build(Path(sys.argv[1]))
    start = time.perf_counter()
    folder = context.config.data / "files"
    with Readers(folder, context.config.parsing) as readers:
        counts = sync(
            "anna",
            context.config.mailboxes["anna"],
            Dialer(context.config),
            StoreIntake(context),
            readers,
            context.blobs,
        )
    context.db.close()
    print(time.perf_counter() - start, counts.stored)


if __name__ == "__main__":
    main()
