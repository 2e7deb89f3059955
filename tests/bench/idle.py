"""A thousand TLS connections in IDLE, watched by one process: what each costs, and how soon all are connected."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.bench import accounts
from tests.bench.rows import Row, Scale
from tests.servers import Dovecot

_ACCOUNTS = 1_000
_FEW = 100


def rows(scale: Scale) -> Iterator[Row]:
    """Measure; the same number of accounts at both scales."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20_000), hard))
    users = [f"rep{number}" for number in range(_ACCOUNTS)]
    with Dovecot() as server, tempfile.TemporaryDirectory(prefix="mailcrm-bench-") as scratch:
        _prepare(server, users)
        config = accounts.write(Path(scratch) / "ours", server, users, tls=True)
        _, few = _watch(config, _FEW)
        seconds, many = _watch(config, _ACCOUNTS)
    each = (many - few) / (_ACCOUNTS - _FEW) / 1000
    yield Row(
        f"idle: {_ACCOUNTS:,} TLS accounts connected", f"{seconds:.1f} s", "one process", seconds, 30, "less", "s"
    )
    against = f"a process with {_FEW}"
    yield Row(f"idle: memory of each of {_ACCOUNTS:,}", f"{each:.1f} kB", against, each, 25, "less", "kB")


def _watch(config: Path, count: int) -> tuple[float, float]:
    """The seconds until so many accounts sleep, and the bytes of memory that the process has to itself then."""
    command = [sys.executable, "-m", "tests.bench.ours_idle", str(config), str(count)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    seconds, used = map(float, output.split())
    return seconds, used


def _prepare(server: Dovecot, users: list[str]) -> None:
    """Have the server make the mailboxes beforehand: real reps have theirs."""
    for user in users:
        server.client(user).logout()
