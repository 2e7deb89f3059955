"""A plugin's section of the configuration, turned into the dataclass that the plugin wants."""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec

from mailcrm.config import Secret
from mailcrm.errors import ConfigError

_SECRET = frozenset({"env", "file", "credential"})


class Unconfigured(Exception):
    """The plugin needs a section that nobody has written; the text names the missing keys."""


def fill(kind: object, given: Mapping[str, Any] | None, section: str, base: Path) -> object:
    """An instance of the dataclass ``kind``.

    Args:
        given: the section as written, or None if there is none.
        section: its name, for errors.
        base: the folder that a secret's ``file``, and a field that is a ``Path``, are relative to.

    Raises:
        Unconfigured: there is no section, and a field without default.
        ConfigError: an unknown key, a wrong or missing value, or a secret that can't be read.
        TypeError: ``kind`` is no dataclass.
    """
    if not isinstance(kind, type) or not dataclasses.is_dataclass(kind):
        raise TypeError(f"register_config must return a dataclass (the class itself), not {kind!r:.100}")
    fields = [field for field in dataclasses.fields(kind) if field.init]
    needed = [
        field.name
        for field in fields
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    if given is None and needed:
        raise Unconfigured(f"write [{section}] with {', '.join(needed)} to use it")
    known = [field.name for field in fields]
    for key in given or ():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(sorted(known)) or 'nothing'}"
            raise ConfigError(f"unknown key {section}.{key}; {hint}")
    for key in needed:
        if given is not None and key not in given:
            raise ConfigError(f"{section}.{key} is missing")
    types = get_type_hints(kind)
    values = {key: _reveal(value, types[key], f"{section}.{key}", base) for key, value in (given or {}).items()}
    try:
        return msgspec.convert(values, kind, dec_hook=partial(_path, base))
    except msgspec.ValidationError as error:
        match = re.fullmatch(r"(.*) - at `\$\.(.*)`", str(error), re.DOTALL)
        raise ConfigError(f"{section}.{match[2]}: {match[1]}" if match else f"{section}: {error}") from None


def _path(base: Path, kind: type, value: object) -> Path:
    """A field of a type that TOML has not: the path that is given as text."""
    if kind is not Path or not isinstance(value, str):
        raise ValueError(f"give {'text' if kind is Path else 'a value that TOML has'}, not {type(value).__name__}")
    return (base / value).absolute()


def _reveal(value: Any, kind: Any, key: str, base: Path) -> Any:
    """The secret that ``value`` points to, where a string is wanted and a table like ``{env = "X"}`` is given."""
    wants_text = kind is str or str in get_args(kind)
    if wants_text and isinstance(value, Mapping) and len(value) == 1 and _SECRET.issuperset(value):
        return msgspec.convert(value, Secret).reveal(base, key)
    return value
