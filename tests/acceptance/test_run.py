"""The running program begins or says why not, and ends when it is told to."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.program import COMMAND, Program
from tests.servers import Sink
from tests.servers.process import HOST


@pytest.mark.parametrize("taken", ["web", "lmtp"])
def test_a_port_in_use_is_one_clear_line(sink: Sink, migrated_sqlite: Path, taken: str) -> None:
    program = Program(smarthost=sink.port)
    shutil.copy(migrated_sqlite, program.folder)
    with socket.create_server((HOST, getattr(program, taken))):
        done = subprocess.run(
            [*COMMAND, "--config", str(program.file), "run"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    program.close()
    lines = [line for line in done.stderr.splitlines() if " INFO " not in line]
    assert done.returncode == 1
    assert len(lines) == 1, done.stderr
    assert f"{taken}.listen: can't listen on {HOST}:{getattr(program, taken)}" in lines[0]


def test_sigterm_ends_it_in_seconds_although_clients_stay_and_no_token_is_logged(sink: Sink) -> None:
    token = "0123456789abcdef" * 2
    with Program(smarthost=sink.port) as program:
        process = program._process
        assert process
        with (
            socket.create_connection((HOST, program.lmtp)) as lmtp,
            socket.create_connection((HOST, program.web)) as web,
        ):
            assert lmtp.recv(100).startswith(b"220")
            for path, answer in ((f"/c/{token}", 404), (f"/o/{token}.gif", 200)):
                asking = HTTPConnection(HOST, program.web)
                asking.request("GET", path)
                assert asking.getresponse().status == answer
                asking.close()
            web.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert web.recv(100).startswith(b"HTTP/1.1 200")
            begun = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
            assert time.monotonic() - begun < 15
        assert "web on" in program.log()
        assert "watching no mailbox: none has a host" in program.log()
        assert [word for word in ("Traceback", token) if word in program.log()] == []


def test_what_a_role_needs_is_imported_before_any_thread_runs(tmp_path: Path) -> None:
    """A module that one thread is importing is not whole to another: DBOS brings parts of SQLAlchemy that all use."""
    config = tmp_path / "config.toml"
    config.write_text('domains = ["firma.example"]\n')
    for role, expected in (("worker", True), ("relay", False)):
        code = (
            "import sys\nfrom pathlib import Path\nfrom mailcrm.main import build\n"
            "from mailcrm.run import Bell, Program\n"
            f"program = Program(build(Path({str(config)!r})), Bell(), frozenset({{{role!r}}}))\n"
            "program._threads(); print('dbos' in sys.modules)"
        )
        done = subprocess.run([COMMAND[0], "-c", code], capture_output=True, text=True, timeout=60, check=True)
        assert done.stdout == f"{expected}\n"
