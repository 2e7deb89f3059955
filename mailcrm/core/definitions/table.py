"""A table of a definition file, taken apart key by key; whatever does not fit becomes a fault."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from math import isfinite
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin

from mailcrm.core.definitions.faults import Faults
from mailcrm.core.flow import Names
from mailcrm.core.nearest import nearest
from mailcrm.core.registry import Params, Span
from mailcrm.core.validation import Path

SPAN = re.compile(r"[0-9]{1,6} ?(?:m|h|d|w|mo|y)")
_SPAN_MEND = "write a number and one of m, h, d, w, mo, y, such as 3d"
_AMOUNT = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18})?")
_HUGE = 10**20  # a number may have thousands of digits
_DIGIT = re.compile(r"[0-9]")
_TYPES = {str: "text", bool: "true or false", int: "a whole number", float: "a number", list: "a list", dict: "a table"}
Kind = TypeVar("Kind", bound=str)


class Table:
    """One table. Every key that is taken is checked; ``close`` refuses the others."""

    def __init__(self, data: Mapping[str, Any], path: Path, faults: Faults) -> None:
        self.data, self.path, self.faults = data, path, faults
        self._known: set[str] = set()

    def take(self, key: str) -> Any:
        """The value as it stands, or None."""
        self._known.add(key)
        return self.data.get(key)

    def without(self, keys: Collection[str]) -> Table:
        """The same table as if these keys were not in it; what is taken from it counts as taken from this one."""
        rest = Table({key: value for key, value in self.data.items() if key not in keys}, self.path, self.faults)
        self._known.update(keys)
        rest._known = self._known
        return rest

    def fault(self, key: str | None, what: str, mend: str) -> None:
        """Note what is wrong with a key, or (None) with the whole table."""
        self.faults.add((*self.path, key) if key is not None else self.path, what, mend)

    def text(self, key: str) -> str | None:
        """Some text, or None."""
        value = self.take(key)
        if value is None or isinstance(value, str):
            return value
        self.fault(key, f"is {type_of(value)}", "write text in quotes")
        return None

    def name(self, key: str) -> str:
        """A name, demanded: one printable line of at most 200 characters."""
        value = self.text(key)
        if value is None:
            if key not in self.data:
                self.fault(None, f"{key} is missing", f'write {key} = "…"')
            return ""
        if problem := bad_name(value):
            self.fault(key, problem, "write one line of at most 200 characters")
        return value

    def span(self, key: str) -> str | None:
        """A span of time, or None."""
        value = self.take(key)
        if value is None or (isinstance(value, str) and SPAN.fullmatch(value)):
            return value
        self.fault(key, f"{_shown(value)} is no span of time", _SPAN_MEND)
        return None

    def flag(self, key: str, default: bool | None) -> bool | None:
        """True or false, or ``default``."""
        value = self.take(key)
        if isinstance(value, bool):
            return value
        if value is not None:
            self.fault(key, f"is {type_of(value)}", "write true or false")
        return default

    def choice(self, key: str, options: Iterable[Kind], default: Kind) -> Kind:
        """One of some words, or ``default``."""
        value = self.take(key)
        if value is None:
            return default
        for option in options:
            if isinstance(value, str) and value == str(option):
                return option
        near = nearest(value, options) if isinstance(value, str) else ""
        mend = near if near.startswith("write") else f"write one of {', '.join(options)}"
        self.fault(key, f"{_shown(value)} is not known", mend)
        return default

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts, none of them blank; empty if it is not there."""
        value = self.take(key)
        if value is None:
            return ()
        if not isinstance(value, list):
            self.fault(key, f"is {type_of(value)}", 'write a list of texts: ["…", "…"]')
            return ()
        for index, each in enumerate(value):
            if not isinstance(each, str) or not each.strip():
                what = "is empty" if isinstance(each, str) else f"is {type_of(each)}"
                self.faults.add((*self.path, key, index), what, "write text in quotes")
        return tuple(each for each in value if isinstance(each, str))

    def amount(self, key: str, decimals: int, most: Decimal) -> Decimal | None:
        """A number from zero to ``most``, as a number or in quotes, exactly as it is written; or None."""
        value = self.take(key)
        if value is None:
            return None
        written = _written(value)
        if _AMOUNT.fullmatch(written) and len(written.partition(".")[2]) <= decimals and Decimal(written) <= most:
            return Decimal(written)
        example = "1200.50" if most > 1000 else "23"
        mend = f'write one from 0 to {most:,f} with at most {decimals} decimals, such as "{example}"'
        self.fault(key, f"{written} is no amount" if written else f"is {type_of(value)}", mend)
        return None

    def rows(self, key: str) -> list[Mapping[str, Any]]:
        """Tables that are written one after the other: ``[[step]]``; empty if there are none."""
        value = self.take(key)
        if value is None:
            return []
        if isinstance(value, list) and all(isinstance(each, Mapping) for each in value):
            return value
        self.fault(key, f"is {type_of(value)}", f"write each {key} as a table: [[{key}]]")
        return []

    def names(self, key: str) -> Names:
        """The nodes that an edge leads to: a name or a list of names."""
        return names_in(self.take(key), (*self.path, key), self.faults)

    def table(self, key: str) -> Mapping[str, Any]:
        """A table inside this one; empty if it is not there."""
        value = self.take(key)
        if value is None or isinstance(value, Mapping):
            return value or {}
        self.fault(key, f"is {type_of(value)}", "write a table: { … }")
        return {}

    def close(self) -> None:
        """Refuse the keys that nobody took."""
        for key in self.data:
            if key not in self._known:
                self.fault(key, "unknown key", nearest(key, self._known))


def _written(value: object) -> str:
    """A number as its author wrote it; "" for what is none."""
    match value:
        case bool():
            return ""
        case str():
            return value[:60] or '""'
        case int():
            return str(value) if abs(value) < _HUGE else "such a number"
        case float():  # its own digits are those of the file as long as there are no more than fifteen
            written = repr(value)
            return written if len(_DIGIT.findall(written)) <= 15 else f"{written} outside of quotes"
    return ""


def names_in(value: Any, path: Path, faults: Faults) -> Names:
    """A name or a list of names."""
    found = [value] if isinstance(value, str) else [] if value is None else value
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        faults.add(path, f"is {type_of(value)}", "write the name of a node, or a list of names")
        return ()
    if twice := next((each for each in found if found.count(each) > 1), None):
        faults.add(path, f"{twice} stands twice in the list", "leave one")
    return tuple(dict.fromkeys(found))


def fitting(
    values: Mapping[str, Any], params: Params, path: Path, owner: str, faults: Faults, *, demand: bool = True
) -> dict[str, Any]:
    """Those values that fit the parameters; the others become faults.

    Args:
        owner: whose parameters they are, for the faults: ``tag.add``.
        demand: whether all must be there that may not be None.
    """
    found = {}
    for name, value in values.items():
        if name not in params:
            faults.add((*path, name), f"{owner} has no {name}", nearest(name, params, "it has"))
        elif problem := misfit(value, params[name]):
            faults.add((*path, name), *problem)
        else:
            found[name] = value
    for name, kind in params.items():
        if demand and name not in values and type(None) not in get_args(kind):
            faults.add(path, f"{owner} needs {name}", f"write {name} = …")
    return found


def misfit(value: object, kind: type | UnionType) -> tuple[str, str] | None:
    """Why a value does not fit a parameter's type, and the mend; None: it fits."""
    kinds = [each for each in get_args(kind) or (kind,) if each is not type(None)]
    if get_origin(kind) in (list, Literal):
        kinds = [kind]
    words = [word for each in kinds if get_origin(each) is Literal for word in get_args(each)]
    if isinstance(value, float) and not isfinite(value):
        return "is no number", "write a number"
    if any(_fits(value, each) for each in kinds) or value in words:
        return None
    if words:
        return f"{_shown(value)} is not known", f"write one of {', '.join(map(str, words))}"
    if Span in kinds:
        return f"{_shown(value)} is no span of time", _SPAN_MEND
    return (
        f"is {type_of(value)}",
        f"write {' or '.join(_TYPES.get(get_origin(each) or each, str(each)) for each in kinds)}",
    )


def _fits(value: object, kind: Any) -> bool:
    if kind is object or kind is Any:
        return True
    if kind is Span:
        return isinstance(value, str) and SPAN.fullmatch(value) is not None
    if get_origin(kind) is list:
        return isinstance(value, list) and all(misfit(item, get_args(kind)[0]) is None for item in value)
    if get_origin(kind) is Literal:
        return False
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, int if kind is float else kind) or (kind is float and isinstance(value, float))


def bad_name(name: str) -> str:
    """Why this can't name a flow or a node, or ""."""
    if not name.strip():
        return "is empty"
    if name != name.strip():
        return "begins or ends with a blank"
    if not name.isprintable() or len(name) > 200:
        return "is no plain name"
    return ""


def type_of(value: object) -> str:
    """What an author would call the type of this value."""
    return next((name for kind, name in _TYPES.items() if isinstance(value, kind)), "a date or time")


def _shown(value: object) -> str:
    return f'"{value[:60]}"' if isinstance(value, str) else type_of(value)
