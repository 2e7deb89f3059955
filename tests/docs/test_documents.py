"""docs/documents.md: its configuration and its flow are accepted, and its commands print what it shows."""

from __future__ import annotations

import re
import shlex
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest

from mailcrm import config
from mailcrm.core.definitions import parse
from tests.commands import Crm
from tests.flow_registry import registry
from tests.house import SETTINGS

TEXT = (Path(__file__).parents[2] / "docs" / "documents.md").read_text(encoding="utf-8")
SECTION, FLOW = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
(SHOWN,) = re.findall(r"```\n(\$ .*?)```", TEXT, re.DOTALL)


def test_the_section_is_one() -> None:
    read = config.parse(tomllib.loads(SECTION), base=Path()).documents
    assert list(read.series) == ["FV", "KURSY", "OF"]
    assert read.exempt


def test_what_is_built_in_is_as_shown() -> None:
    given = config.parse(tomllib.loads(SECTION), base=Path()).documents.series
    assert config.Documents().series == {name: given[name] for name in ("FV", "OF")}


def test_the_flow_is_accepted_and_names_a_series_that_is_shown() -> None:
    parse(FLOW, "docs/documents.md", registry())
    assert 'series = "KURSY"' in FLOW


def test_the_commands_print_what_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, migrated_sqlite: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(migrated_sqlite, tmp_path / "mailcrm.db")
    settings: dict[str, Any] = {"users": {"anna": SETTINGS["users"]["anna"]}, **tomllib.loads(SECTION)}
    crm = Crm(tmp_path, settings, lambda: capsys.readouterr())
    crm("org", "add", "--name", "Klient")
    crm("person", "add", "--name", "Ewa Lis", "--email", "ewa@klient.example")
    for name, value in (("address", "ul. Krótka 2"), ("tax_id", "PL7251801126")):
        crm("field", "set", name, value, "--org", "Klient")
    for block in SHOWN.split("$ mailcrm ")[1:]:
        command, _, printed = block.partition("\n")
        said = crm(*shlex.split(command))
        shown = said[: len(printed)] if "--dry-run" in command else said
        assert shown == printed
    assert (tmp_path / "faktura.pdf").read_bytes().startswith(b"%PDF-")
