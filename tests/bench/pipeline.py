"""One mailbox from the server into the database: ours, the straightforward loop, and mbsync, in turn."""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from tests.bench import memory
from tests.bench.mails import mails
from tests.bench.rows import Row, Scale
from tests.servers import Dovecot
from tests.servers.process import program

_COUNT = {"small": 4_000, "full": 20_000}
_LOOP = 1_500
_ROUNDS = 3


def rows(scale: Scale) -> Iterator[Row]:
    """Measure: all take turns, and their medians count. The loop, being slow, reads a part of the mailbox each time."""
    count = _COUNT[scale]
    with Dovecot() as server, tempfile.TemporaryDirectory(prefix=".bench-", dir=Path.cwd()) as scratch:
        _fill(server, "anna", count)
        folder = Path(scratch)
        ours, mbsync, loop, peaks = [], [], [], []
        for turn in range(_ROUNDS):
            mbsync.append(count / _mbsync(server, folder / f"mbsync{turn}", count))
            seconds, peak = _ours(server, folder / f"ours{turn}", count)
            ours.append(count / seconds)
            peaks.append(peak)
            loop.append(_LOOP / _loop(server, folder / f"loop{turn}", _LOOP))
    mine, other, slow = map(statistics.median, (ours, mbsync, loop))
    yield Row(
        "pipeline: mailbox into database", f"{mine:,.0f}/s", f"imapclient + mail-parser {slow:,.0f}/s", mine / slow, 12
    )
    yield Row("pipeline: mailbox into database", f"{mine:,.0f}/s", f"mbsync, FSync yes {other:,.0f}/s", mine / other, 1)
    top = max(peaks) / 1e6
    yield Row("pipeline: peak memory", f"{top:.0f} MB", "all processes", top, 150, "less", "MB")


def _fill(server: Dovecot, user: str, count: int) -> None:
    made = list(mails(count, now=datetime.now(UTC)))
    server.fill(user, ((mail.at, mail.raw) for mail in made if not mail.sent))
    server.fill(user, ((mail.at, mail.raw) for mail in made if mail.sent), "Sent")
    # One reading beforehand, so that no contestant pays for the server's index.
    with server.client(user) as client:
        for name in ("INBOX", "Sent"):
            client.select_folder(name, readonly=True)
            uids = client.search("ALL")
            for start in range(0, len(uids), 500):
                client.fetch(uids[start : start + 500], ["RFC822.SIZE", "INTERNALDATE"])


def _loop(server: Dovecot, folder: Path, count: int) -> float:
    folder.mkdir()
    command = [sys.executable, "-m", "tests.bench.peer_loop", str(server.port), "anna", server.PASSWORD, str(folder)]
    command.append(str(count))
    seconds, done = memory.run(command).output.split()
    _demand(int(done), count, "the peer loop")
    return float(seconds)


def _mbsync(server: Dovecot, folder: Path, count: int) -> float:
    mbsync = program("mbsync", package="isync")
    folder.mkdir()
    (folder / "mail").mkdir()
    config = folder / "mbsyncrc"
    config.write_text(
        f"FSync yes\nIMAPAccount server\nHost {server.host}\nPort {server.port}\nUser anna\nPass {server.PASSWORD}\n"
        "SSLType None\nAuthMechs LOGIN\n\nIMAPStore far\nAccount server\n\n"
        f"MaildirStore near\nPath {folder}/mail/\nInbox {folder}/mail/INBOX\nSubFolders Verbatim\n\n"
        "Channel all\nFar :far:\nNear :near:\nPatterns INBOX Sent\nCreate Near\nSync Pull\nSyncState *\n"
    )
    run = memory.run([mbsync, "-q", "-c", str(config), "all"])
    _demand(sum(1 for file in (folder / "mail").rglob("*,*") if file.is_file()), count, "mbsync")
    return run.seconds


def _ours(server: Dovecot, folder: Path, count: int) -> tuple[float, int]:
    folder.mkdir()
    config = folder / "config.toml"
    config.write_text(
        'domains = ["firma.example"]\n'
        '[users.anna]\nemail = "anna@firma.example"\nname = "Anna Nowak"\n'
        f'[mailboxes.anna]\nuser = "anna"\nhost = "{server.host}"\nport = {server.port}\ntls = "none"\n'
        f'login = "anna"\npassword = "{server.PASSWORD}"\n'
        "[linking]\nfirst_sight = 1000000\n"
    )
    memory.run([sys.executable, "-m", "mailcrm.cli.app", "--config", str(config), "db", "upgrade"])
    run = memory.run([sys.executable, "-m", "tests.bench.ours_sync", str(config)])
    seconds, done = run.output.split()
    _demand(int(done), count, "mailcrm")
    return float(seconds), run.peak


def _demand(done: int, count: int, who: str) -> None:
    if done != count:
        raise RuntimeError(f"{who} brought {done} of {count} messages")
