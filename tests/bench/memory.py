"""Runs a program and watches how much memory it and its children take."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

_INTERVAL = 0.4  # seconds; looking costs the program time, and finding its children most
_FIND = 5  # looks


@dataclass(frozen=True, slots=True)
class Run:
    """What a program printed, how long it took (seconds), and its peak memory (bytes, children included).

    Memory is the proportional set size: a page shared by two processes counts half for each.
    """

    output: str
    seconds: float
    peak: int


def run(command: Sequence[str]) -> Run:
    """Run to the end. Raises RuntimeError with what it wrote to standard error if it fails."""
    start = time.monotonic()
    process = psutil.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    peak, looks = 0, 0
    children: list[psutil.Process] = []
    with process:
        while process.poll() is None:
            if looks % _FIND == 0:
                children = _children(process)
            looks += 1
            peak = max(peak, _pss((process, *children)))
            time.sleep(_INTERVAL)
        seconds = time.monotonic() - start
        output, errors = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{errors}")
    print(errors, end="", file=sys.stderr)
    return Run(output, seconds, peak)


def _pss(processes: Sequence[psutil.Process]) -> int:
    total = 0
    for each in processes:
        try:
            total += each.memory_full_info().pss
        except psutil.Error:
            continue
    return total


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        found: list[psutil.Process] = process.children(recursive=True)
    except psutil.Error:
        return []
    return found
