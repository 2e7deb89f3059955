"""Run the benchmarks, each in a process of its own, and print one table. Ends non-zero if a demand is not met."""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
import time
from collections.abc import Sequence

import msgspec
from rich.console import Console
from rich.table import Table

from tests.bench.rows import Row, Scale, emit
from tests.servers.process import Missing

BENCHES = (
    "pipeline",
    "latency",
    "idle",
    "scale",
    "ticks",
    "relay",
    "reaction",
    "pixel",
    "answers_parse",
    "answers_kinds",
    "outbound",
    "campaigns",
    "campaign_results",
    "statistics",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 if every demand is met, 1 if one is not, 2 if a benchmark could not be run."""
    parser = argparse.ArgumentParser(prog="tests.bench", description=__doc__)
    parser.add_argument("--scale", choices=("small", "full"), default="small")
    parser.add_argument("--only", action="append", choices=BENCHES, help="run this one only (may be repeated)")
    parser.add_argument("--in-process", choices=BENCHES, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.in_process:
        return _one(options.in_process, options.scale)
    rows: list[Row] = []
    broken: list[str] = []
    for name in options.only or BENCHES:
        print(f"{name} ({options.scale}) …", file=sys.stderr, flush=True)
        start = time.monotonic()
        command = [sys.executable, "-m", "tests.bench", "--scale", options.scale, "--in-process", name]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
        rows.extend(msgspec.json.decode(line, type=Row) for line in done.stdout.splitlines() if line.startswith(b"{"))
        if done.returncode:
            broken.append(name)
        print(f"{name}: {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
    _show(rows)
    if broken:
        print(f"could not be run: {', '.join(broken)}", file=sys.stderr)
        return 2
    return 0 if all(row.met for row in rows) else 1


def _one(name: str, scale: Scale) -> int:
    try:
        emit(importlib.import_module(f"tests.bench.{name}").rows(scale))
    except Missing as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    return 0


def _show(rows: Sequence[Row]) -> None:
    table = Table("measured", "ours", "against", "value", "demanded", "")
    for row in rows:
        bound = f"{'≥' if row.better == 'more' else '≤'} {row.target:g} {row.unit}"
        verdict = "[green]met[/]" if row.met else "[red]missed[/]"
        table.add_row(row.name, row.ours, row.peer, f"{row.value:.2f} {row.unit}", bound, verdict)
    Console(width=None if sys.stdout.isatty() else 150).print(table)


if __name__ == "__main__":
    sys.exit(main())
