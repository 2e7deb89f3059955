"""docs/security.md names, for every attack, tests that exist."""

from __future__ import annotations

import re

from tests.docs.test_rules import ROOT, functions


def test_every_attack_names_tests_that_exist() -> None:
    text = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.+?) \| .+? \| (.+?) \|$", text, re.MULTILINE)[1:]
    assert rows
    missing = []
    for attack, tests in rows:
        named = re.findall(r"`([^`]+)`", tests)
        assert named or set(attack) == {"-"}, f"{attack}: no test is named"
        missing += [name for name in named if name.partition("::")[2] not in functions(name.partition("::")[0])]
    assert not missing
