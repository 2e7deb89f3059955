"""A command of the program, run in this process: an interpreter of its own costs a second of computing time."""

from __future__ import annotations

import contextlib
import io
import os
from dataclasses import dataclass

from mailcrm.cli.app import main


@dataclass(frozen=True)
class Called:
    """What came of a command: its exit code, and what it printed."""

    code: int
    out: str
    err: str


def called(*arguments: str) -> Called:
    """Run a command line. Its umask is not to stay: servers of other users read what later tests write."""
    mask = os.umask(0)
    os.umask(mask)
    try:
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
            code = main(arguments)
    finally:
        os.umask(mask)
    return Called(code, out.getvalue(), err.getvalue())
