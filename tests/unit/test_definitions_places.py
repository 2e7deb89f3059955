"""The line of every key of a TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

from hypothesis import given

from mailcrm.core.definitions import Definition, to_toml
from mailcrm.core.definitions.places import places
from mailcrm.core.validation import Path
from tests.definition_strategies import definitions

AWKWARD = '''# a comment with [brackets] = "and quotes
kind = "workflow"   # = "not this"
'name' = 'C:\\path'
"owner" = """
[nodes.no]
x = 1
"""
description = """quotes: "" and four:""""
when = 1979-05-27 07:32:00
again . deep = [ 1, [ "]", '[' ], # inside
  { a = "}", b . c = "#" },
]

[nodes."a.b"]
on = "x"
[ nodes . 'żółw' . with ]
body = \'\'\'
it's [[step]]
\'\'\'
[[step]]
type = "activity"
[step.more]
x = 1
[[step]]
[[step.inner]]
[[step.inner]]
y = 2
'''


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from paths(item, (*path, key))


def test_lines_of_an_awkward_file() -> None:
    found = places(AWKWARD)
    assert set(found) == set(paths(tomllib.loads(AWKWARD)))
    expected: dict[Path, int] = {
        ("kind",): 2,
        ("name",): 3,
        ("owner",): 4,
        ("description",): 8,
        ("when",): 9,
        ("again", "deep"): 10,
        ("again", "deep", 1, 1): 10,
        ("again", "deep", 2, "b", "c"): 11,
        ("nodes", "a.b", "on"): 15,
        ("nodes", "żółw", "with"): 16,
        ("nodes", "żółw", "with", "body"): 17,
        ("step", 0, "type"): 21,
        ("step", 0, "more", "x"): 23,
        ("step", 1): 24,
        ("step", 1, "inner", 0): 25,
        ("step", 1, "inner", 1, "y"): 27,
    }
    assert {path: found[path] for path in expected} == expected


def test_an_empty_file_has_no_places() -> None:
    assert places("") == places("# nothing\n\n") == {}


@given(definitions())
def test_every_key_of_any_definition_is_found_on_its_line(definition: Definition) -> None:
    text = to_toml(definition)
    lines, found = text.split("\n"), places(text)
    for path in paths(tomllib.loads(text)):
        line, last = lines[found[path] - 1], path[-1]
        if isinstance(last, str):
            assert last in line or "\\" in line or '"' in last, (path, line)


def test_long_strings_and_deep_paths_take_linear_time() -> None:
    text = f'a = """{"x" * 200_000}"""\n' + "".join(f"[t{number}]\nk = 'v'\n" for number in range(5_000))
    assert places(text)["t4999", "k"] == 10_001
