"""Every hook is documented, with an example that runs, and tested; what plugins may import is pinned."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import mailcrm
from mailcrm import config as configuration
from mailcrm import hookspecs
from mailcrm.plugins.verify import HOOKS

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", DOCS, re.MULTILINE | re.DOTALL))
EXAMPLES = re.findall(r"^```python\n(.*?)^```", DOCS, re.MULTILINE | re.DOTALL)


def test_the_hooks_are_these() -> None:
    offers = {"register_events", "register_triggers", "register_conditions", "register_actions"}
    answers = {"choose_person", "choose_deal", "veto_link", "veto_send"}
    assert set(HOOKS) == {"register_config", *offers, *answers, "hand_over_document", "on_start", "on_event"}


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_words_a_policy_and_a_tested_example(hook: str) -> None:
    assert hook.startswith(("register_", "choose_", "veto_", "hand_over_", "on_"))
    assert inspect.getdoc(HOOKS[hook])
    assert f"def {hook}(" in SECTIONS[hook]
    tests = "".join(file.read_text(encoding="utf-8") for file in Path(__file__).parent.glob("test_*.py"))
    assert re.search(rf"(def |plugin\(\"){hook}\b", tests)


def test_nothing_is_documented_that_is_no_hook() -> None:
    assert set(SECTIONS) == set(HOOKS)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_every_example_runs(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plugins").symlink_to(ROOT / "plugins")
    monkeypatch.chdir(tmp_path)
    source = EXAMPLES[number]
    assert "assert" in source or "@hookimpl" in source
    code = compile(source, f"docs/plugins.md example {number}", "exec", dont_inherit=True)
    exec(code, {"__name__": f"example_{number}"})


def test_the_configuration_shown_is_one() -> None:
    (block,) = [text for text in re.findall(r"^```toml\n(.*?)^```", DOCS, re.M | re.S) if "[plugins]" in text]
    assert configuration.parse(tomllib.loads(block), base=ROOT).plugins


def test_what_plugins_may_import_is_pinned() -> None:
    names = (
        "ActionType Address App Attachment Card CardDeal ConditionType Document Effect Event EventKind Item Message "
        "OpenDeal Outgoing Party Permanent Rate Reach Reply SenderConsent Span Temporary Totals TriggerType Verdict "
        "hookimpl"
    )
    assert mailcrm.__all__ == names.split()
    for name in mailcrm.__all__:
        assert getattr(mailcrm, name) is not None
    assert mailcrm.hookimpl is hookspecs.hookimpl
    assert set(mailcrm.__all__) <= set(dir(mailcrm))
    (shown,) = re.findall(r"`from mailcrm import ([^`]+)`", DOCS)
    assert shown.split(", ") == mailcrm.__all__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        getattr(mailcrm, "nothing")  # noqa: B009


def test_checkers_and_python_are_told_the_same() -> None:
    tree = ast.parse(Path(mailcrm.__file__).read_text(encoding="utf-8"))
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mailcrm.")
        for alias in node.names
    }
    assert imported == set(mailcrm.__all__) == set(mailcrm._HOMES)


def test_importing_it_loads_nothing() -> None:
    code = "import sys, mailcrm; print([m for m in sys.modules if m.startswith('mailcrm.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("file", sorted((ROOT / "plugins").glob("*.py")), ids=lambda file: file.stem)
def test_bundled_plugins_are_short_and_import_only_what_plugins_may(file: Path) -> None:
    source = file.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 120
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mailcrm"):
            assert node.module == "mailcrm"
            assert {alias.name for alias in node.names} <= set(mailcrm.__all__)
    assert f"`{file.stem}`" in DOCS
