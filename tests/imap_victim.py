"""A process that syncs one mailbox into a SQLite file, to be killed: ``-m tests.imap_victim PORT LOGIN FILE``."""

from __future__ import annotations

import sys

from mailcrm.mail import imap_listing
from mailcrm.mail.imap_session import Dialer
from mailcrm.mail.imap_sync import sync
from tests.imap_kit import MemoryBlobs, QuickReaders, SqliteIntake, config, mailbox


def main() -> None:
    """Sync once."""
    port, login, file = sys.argv[1:]
    imap_listing.BATCH_COUNT = 10  # type: ignore[misc]
    box = mailbox(int(port), login=login)
    print("begun", flush=True)
    counts = sync("anna", box, Dialer(config(anna=box)), SqliteIntake(file), QuickReaders(), MemoryBlobs())
    print(counts, flush=True)


if __name__ == "__main__":
    main()
