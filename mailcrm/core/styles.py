"""Inline styles of letters: those that make text look like something, none that hide it or load anything."""

from __future__ import annotations

import re

PROPERTIES = frozenset(
    {"color", "background-color", "text-align", "text-decoration", "vertical-align", "line-height", "white-space"}
    | {"font-family", "font-size", "font-weight", "font-style", "width", "max-width", "border-collapse"}
    | {
        f"{kind}{side}"
        for kind in ("margin", "padding", "border")
        for side in ("", "-top", "-right", "-bottom", "-left")
    }
    | {"border-radius", "border-color", "border-style", "border-width", "border-spacing", "list-style-type"}
)
_VALUE = re.compile(r"[-\w\s.,%#'\"]*(?:\brgb\([\d\s,%]*\)[-\w\s.,%#'\"]*)?")  # no url(), no calc(), no escapes
_NUMBER = re.compile(r"([0-9]*\.?[0-9]+)([a-z%]*)")
_NEGATIVE = re.compile(r"(?:^|\s)-")
_SEEN_THROUGH = re.compile(r"transparent|#[0-9a-f]{3}[0-9a-f]\b|#[0-9a-f]{8}\b")
_SMALLEST = {"px": 7.0, "pt": 6.0, "em": 0.5, "rem": 0.5, "%": 50.0, "": 0.5}
_IMPORTANT = re.compile(r"\s*!\s*important\s*$", re.IGNORECASE)
_SHORT = re.compile(r"#([0-9a-f])([0-9a-f])([0-9a-f])")
_NAMED = {"white": "#ffffff", "black": "#000000", "rgb(255,255,255)": "#ffffff", "rgb(0,0,0)": "#000000"}
_SIZED = ("font-size", "line-height")


def shown(style: str) -> tuple[str, list[str]]:
    """The declarations of a style that are sent, and those that are not: unknown ones, and such as hide text."""
    kept: dict[str, str] = {}
    dropped: list[str] = []
    for declaration in filter(None, map(str.strip, style.split(";"))):
        name, _, value = (part.strip() for part in declaration.partition(":"))
        name, value = name.lower(), _IMPORTANT.sub("", value)
        if name in PROPERTIES and _VALUE.fullmatch(value) and not _hides(name, value.lower()):
            kept[name] = value
        else:
            dropped.append(declaration)
    if "color" in kept and _colour(kept["color"]) == _colour(kept.get("background-color", "")):
        dropped.append(f"color: {kept.pop('color')}")
    return "; ".join(f"{name}: {value}" for name, value in kept.items()), dropped


def _hides(name: str, value: str) -> bool:
    if name == "color":
        return _SEEN_THROUGH.search(value) is not None
    if name in _SIZED:
        sizes = _NUMBER.findall(value)
        return any(float(number) < _SMALLEST.get(unit, 0.1) for number, unit in sizes)
    return name.startswith(("margin", "padding")) and _NEGATIVE.search(value) is not None


def _colour(value: str) -> str:
    """A colour so that the commonest ways of writing it are one."""
    plain = "".join(value.lower().split())
    return _NAMED.get(plain) or (_SHORT.sub(r"#\1\1\2\2\3\3", plain) if len(plain) == 4 else plain)
