"""What every private server needs: a folder of its own, a free port, waiting for a condition, an orderly end."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import random
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

T = TypeVar("T")
HOST = "127.0.0.1"


class Missing(RuntimeError):
    """A server's program is not on this machine; the text says which package brings it."""


@functools.cache
def _ports() -> tuple[socket.socket, Iterator[int]]:
    """A hundred ports for this process alone: the first, bound and kept, marks the block as taken.

    All lie below those that the kernel gives to connections, so what is free stays free until its server starts,
    whatever other processes of the same run do meanwhile.
    """
    for first in random.sample(range(20_000, 32_000, 100), 120):
        mark = socket.socket()
        try:
            mark.bind((HOST, first))
        except OSError:
            mark.close()
        else:
            return mark, itertools.cycle(range(first + 1, first + 100))
    raise RuntimeError("every block of ports from 20000 to 31999 is taken; end other test runs")


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on, and that no other process is given."""
    _mark, ports = _ports()
    for port in itertools.islice(ports, 99):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind((HOST, port))
            return port
    raise RuntimeError("all ports of this process are in use; stop a server first")


def wait_until(condition: Callable[[], T], *, seconds: float = 10.0, what: str = "the condition") -> T:
    """Ask again until the answer is true, and return it.

    Raises:
        TimeoutError: it did not become true in ``seconds``.
    """
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come about in {seconds:g} s")
        time.sleep(0.01)
    return answer


def listening(port: int) -> bool:
    """Whether something accepts connections on the port."""
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
        return True
    return False


def program(name: str, *, package: str) -> str:
    """The path of a system program. Raises Missing naming the Debian package."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if path is None:
        raise Missing(f"{name} is not installed; run: apt-get install {package}")
    return path


class Server:
    """A server in a temporary folder; ``with`` starts and stops it.

    The folder can be entered by other users, since servers started as root drop their rights.
    """

    name = "server"

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"mailcrm-{self.name}-"))
        self.folder.chmod(0o711)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until it can be used."""
        raise NotImplementedError

    def stop(self) -> None:
        """Stop it; what it stored stays, so ``start`` goes on from there."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)

    def kill(self) -> None:
        """End it without warning, as a crash would."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(5)

    def close(self) -> None:
        """Stop it and remove what it stored."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def spawn(self, command: list[str], *, ready: Callable[[], object], seconds: float = 20.0) -> None:
        """Start ``command`` with its output in the folder's ``output`` file, and wait until ``ready``."""
        with (self.folder / "output").open("ab") as output:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=self.folder
            )
        process = self._process

        def settled() -> bool:
            return process.poll() is not None or bool(ready())

        try:
            wait_until(settled, seconds=seconds, what=f"the start of {self.name}")
        except TimeoutError:
            self.stop()
            raise RuntimeError(f"{self.name} did not start:\n{self.log()}") from None
        if process.poll() is not None:
            self._process = None
            raise RuntimeError(f"{self.name} ended at once:\n{self.log()}")

    def log(self) -> str:
        """What the server has said so far."""
        files = (self.folder / "output", self.folder / "log")
        return "\n".join(file.read_text(errors="replace") for file in files if file.exists())

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
