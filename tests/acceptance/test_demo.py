"""``make demo ARGS=--once``: the story runs to its end and everything becomes of it what is to become of it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_story_runs_to_its_end() -> None:  # DATA-16 to 19, DATA-21 to 24, CAMP-21
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "tests.demo", "--once"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=59,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    counts = json.loads(done.stdout.splitlines()[-1])
    assert {"messages", "persons", "linked", "choices", "sent", "failed"} <= counts.keys()
    assert counts["failed"] == 1  # consent was withdrawn
    assert counts["campaigns"] == 6  # one of each kind
    assert "/q/" in done.stdout
    assert "unexpected" not in done.stdout
    assert time.monotonic() - began < 59
