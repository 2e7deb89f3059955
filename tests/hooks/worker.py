"""A process that tells one plugin what is due for it: ``worker.py URL FOLDER PLUGIN MINUTES``."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from mailcrm import testing
from mailcrm.app.react import deliver_due
from mailcrm.store.db import Database
from tests.house import NOW, build


def main(url: str, folder: str, plugin: str, minutes: str) -> None:
    context = build(Database(url), Path(folder), plugins=testing.load(plugin))
    context = replace(context, clock=lambda: NOW + timedelta(minutes=int(minutes)))
    while deliver_due(context):
        pass


if __name__ == "__main__":
    main(*sys.argv[1:])
