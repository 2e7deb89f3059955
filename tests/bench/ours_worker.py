"""Our side of the reaction benchmark, ``python -m tests.bench.ours_worker CONFIG``: the program as a worker."""

from __future__ import annotations

import sys
from pathlib import Path

from mailcrm.main import build
from mailcrm.run import Bell, Program


def main() -> None:
    bell = Bell()
    context = build(Path(sys.argv[1]), changed=bell.ring)
    print("ready", flush=True)
    Program(context, bell, frozenset({"worker"})).run()
    context.db.close()


if __name__ == "__main__":
    main()
