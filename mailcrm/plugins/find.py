"""Where plugins are: installed packages, those bundled with us, the operator's folder."""

from __future__ import annotations

import importlib.util
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

GROUP = "mailcrm"
_PACKAGE = Path(__file__).parents[1]


class Place(StrEnum):
    """Where a plugin comes from."""

    INSTALLED = "installed"
    BUNDLED = "bundled"
    FOLDER = "folder"


@dataclass(frozen=True, slots=True)
class Found:
    """A plugin that can be loaded. ``where`` is its file, or its package with the version."""

    name: str
    place: Place
    where: str
    load: Callable[[], object]


def find(folder: Path | None) -> Iterator[Found]:
    """Every plugin there is, each file once: installed, bundled, then those of ``folder`` (but not its ``test_*.py``).

    Each in reverse order of names, because pluggy asks first who came last: so they are asked by name, one's own first.
    """
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name, reverse=True):
        package = f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value
        yield Found(entry.name, Place.INSTALLED, package, entry.load)
    seen: set[Path] = set()
    for place, where in ((Place.BUNDLED, bundled()), (Place.FOLDER, folder)):
        for file in sorted(where.glob("[!_.]*.py"), reverse=True) if where else ():
            if file.resolve() not in seen and not file.name.startswith("test_"):
                seen.add(file.resolve())
                yield from_file(file, place)


def from_file(file: Path, place: Place = Place.FOLDER) -> Found:
    """The plugin in one file."""
    return Found(file.stem, place, str(file), partial(_import, file))


def bundled() -> Path | None:
    """The folder of the plugins that come with us: in an installed package, or in a checkout of the sources."""
    if (installed := _PACKAGE / "bundled_plugins").is_dir():
        return installed
    checkout = _PACKAGE.parent
    return checkout / "plugins" if (checkout / "pyproject.toml").is_file() else None


def _import(file: Path) -> ModuleType:
    # The module must stand in sys.modules while it runs: dataclasses and typing look their names up there.
    name = f"mailcrm_plugin_{file.stem}_{zlib.crc32(str(file.resolve()).encode()):08x}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
