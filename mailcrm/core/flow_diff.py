"""What a new version of a definition changes, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

_SHOWN = 120  # characters of a value: a mail's text is not told twice in full


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What is to be changed of a definition, one thing a line, in the order of the new one; nothing: they are equal.

    Args:
        before, after: definitions as ``tomllib`` reads them.
    """
    lines = list(_tables("", before, after))
    kept, order = _order(before, after), _order(after, before)
    return lines if kept == order else [*lines, f"~ order of nodes: {', '.join(order)}"]


def _order(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """The nodes that both have, as the one has them: their order decides between nodes equally near."""
    return [name for name in one.get("nodes", ()) if name in other.get("nodes", ())]


def _tables(path: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for key in before:
        if key not in after:
            yield f"- {path}{key}: {_value(before[key])}"
    for key, value in after.items():
        if key not in before:
            yield f"+ {path}{key}: {_value(value)}"
        elif before[key] != value:
            yield from _changed(f"{path}{key}", before[key], value)


def _changed(name: str, before: Any, after: Any) -> Iterator[str]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        yield from _tables(f"{name}.", before, after)
    elif _is_rows(before) and _is_rows(after):
        yield from _rows(name, before, after)
    else:
        yield f"~ {name}: {_value(before)} -> {_value(after)}"


def _rows(name: str, before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Steps: one put in or taken out moves the others without changing them."""
    matcher = SequenceMatcher(None, [_value(row, None) for row in before], [_value(row, None) for row in after], False)
    for what, one, two, three, four in matcher.get_opcodes():
        if what == "equal":
            continue
        common = min(two - one, four - three)
        for offset in range(common):
            yield from _tables(f"{name} {three + offset + 1}: ", before[one + offset], after[three + offset])
        for at in range(one + common, two):
            yield f"- {name} {at + 1}: {_value(before[at])}"
        for at in range(three + common, four):
            yield f"+ {name} {at + 1}: {_value(after[at])}"


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(row, Mapping) for row in value)


def _value(value: Any, size: int | None = _SHOWN) -> str:
    """As TOML writes it, near enough to be recognised; cut at ``size`` characters."""
    match value:
        case bool():
            text = "true" if value else "false"
        case str():
            text = f'"{value}"'
        case Mapping():
            text = "{" + ", ".join(f"{key} = {_value(item, None)}" for key, item in value.items()) + "}"
        case list():
            text = "[" + ", ".join(_value(item, None) for item in value) + "]"
        case _:
            text = str(value)
    text = " ".join(text.split()) if size else text
    return text if size is None or len(text) <= size else f"{text[: size - 1]}…"
