"""Our side of the latency benchmark: the program with the roles watch and web.

``python -m tests.bench.ours_watch CONFIG`` prints, for each commit of something new, when it was done: seconds of the
monotonic clock, which all processes of a machine share.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from mailcrm.main import build
from mailcrm.run import Bell, Program


def main() -> None:
    context = build(Path(sys.argv[1]), changed=lambda: os.write(1, b"%f\n" % time.monotonic()))
    Program(context, Bell(), frozenset({"watch", "web"})).run()
    context.db.close()


if __name__ == "__main__":
    main()
