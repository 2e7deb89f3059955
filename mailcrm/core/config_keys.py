"""Faults in a configuration, named by their full key: unknown keys, and values of the wrong kind."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin

import msgspec

from mailcrm.errors import ConfigError


def refuse_unknown(data: Mapping[str, Any], struct: Any, prefix: str, source: str) -> None:
    """Walk tables beside their structs, so that the error can name the full key and its nearest neighbour.

    Args:
        prefix: the key of ``data`` with a dot, "" for the whole file.
        source: the file, for the error.

    Raises:
        ConfigError: a key that ``struct`` does not have.
    """
    known = {field.name: field.type for field in msgspec.structs.fields(struct)}
    for key, value in data.items():
        if key not in known:
            near = difflib.get_close_matches(key, [name for name in known if name != "base"], n=1, cutoff=0.5)
            hint = f"; did you mean {prefix}{near[0]}?" if near else f"; known here: {', '.join(sorted(known))}"
            raise ConfigError(f"{source}: unknown key {prefix}{key}{hint}")
        for nested, each in _structs_in(known[key]):
            if each and isinstance(value, Mapping):
                for name, item in value.items():
                    if isinstance(item, Mapping):
                        refuse_unknown(item, nested, f"{prefix}{key}.{name}.", source)
            elif isinstance(value, Mapping):
                refuse_unknown(value, nested, f"{prefix}{key}.", source)


def misfit(value: object, kind: Any, key: str = "") -> str:
    """The key whose value does not fit its type, why, and what would; "" if all fits.

    Args:
        key: that of ``value``, "" for the whole file.
    """
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        structs = _structs_in(kind)
        if len(structs) == 1 and isinstance(value, Mapping):
            struct, each = structs[0]
            inner = dict.fromkeys(value, struct) if each else {f.name: f.type for f in msgspec.structs.fields(struct)}
            for name, item in value.items():
                if name in inner and (found := misfit(item, inner[name], f"{key}.{name}".removeprefix("."))):
                    return found
        words = [word for each in (kind, *get_args(kind)) if get_origin(each) is Literal for word in get_args(each)]
        if words:
            return f"{key}: {value!r} is not one of {', '.join(map(repr, words))}"
        return f"{key}: {str(error).partition(' - at ')[0]}".removeprefix(": ")
    return ""


def _structs_in(kind: Any) -> list[tuple[Any, bool]]:
    """The struct types in a field's type, each with whether the field is a mapping to it."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return [(kind, False)]
    arguments: tuple[Any, ...] = getattr(kind, "__args__", ())
    if getattr(kind, "__origin__", None) is not None and len(arguments) == 2 and arguments[0] is str:
        return [(struct, True) for struct, _ in _structs_in(arguments[1])]
    return [found for argument in arguments for found in _structs_in(argument)]
