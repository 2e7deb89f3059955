"""docs/rules.md names, for every rule, tests that exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| ([A-Z]+-T?\d+) \| (.+?) \| (.+?) \|$", re.MULTILINE)
LEFT_OUT = {"SEQ-45", "SEQ-46"}  # docs/rules.md says why
NUMBERED = {"DATA-": 24, "SEQ-": 46, "WF-": 18, "WF-T": 20, "GRAPH-": 36, "CAMP-": 22}


def rules() -> dict[str, list[str]]:
    text = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    return {match[1]: re.findall(r"`([^`]+)`", match[3]) for match in ROW.finditer(text)}


def test_every_rule_is_listed() -> None:
    expected = {f"{family}{number}" for family, last in NUMBERED.items() for number in range(1, last + 1)} - LEFT_OUT
    assert expected - rules().keys() == set()
    assert LEFT_OUT & rules().keys() == set()


@cache
def functions(path: str) -> frozenset[str]:
    """The functions of a test file; none when there is no such file."""
    file = ROOT / "tests" / path
    if not file.is_file():
        return frozenset()
    nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    return frozenset(node.name for node in nodes if isinstance(node, ast.FunctionDef))


def test_every_rule_names_tests_that_exist() -> None:
    missing = []
    for rule, tests in rules().items():
        assert tests, f"{rule} names no test"
        for name in tests:
            path, _, function = name.partition("::")
            if function not in functions(path):
                missing.append(f"{rule}: {name}")
    assert not missing
