"""docs/letters.md: its examples are accepted, what it lists is what there is, what it shows is what comes out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mailcrm.builtin import variables
from mailcrm.core import liquid
from mailcrm.core.definitions import DefinitionError, parse, parse_template, to_toml
from mailcrm.core.letters import render
from mailcrm.core.rich import left_out, pictures
from tests.flow_registry import registry

TEXT = (Path(__file__).parents[2] / "docs" / "letters.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
TEMPLATES = [each for each in EXAMPLES if 'kind = "template"' in each and 'name = "Odd"' not in each]
SHOWN, FAULTS, *MORE = re.findall(r"```text\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("example", TEMPLATES)
def test_a_template_is_accepted_and_prints_back(example: str) -> None:
    definition = parse_template(example, "docs/letters.md", check_letter=variables.check)
    assert parse_template(to_toml(definition), "again.toml") == definition
    assert left_out(definition.html or "") == []
    assert pictures(definition.html or "") == (["img/logo.png"] if definition.name == "spring" else [])


def test_a_sequence_names_a_template() -> None:
    (example,) = [each for each in EXAMPLES if 'kind = "sequence"' in each]
    definition = parse(example, "docs/letters.md", registry(), check_letter=variables.check)
    assert parse(to_toml(definition), "again.toml", registry()) == definition


def test_the_letter_that_is_shown_is_what_comes_out() -> None:
    definition = parse_template(TEMPLATES[0], "docs/letters.md")
    values = {"person": {"first_name": "Ewa"}, "deal": {"title": "Pumps"}}
    letter = render(definition.subject, definition.body, values, "Anna Nowak\nFirma")
    assert f"{letter.subject}\n\n{letter.text}" == SHOWN


def test_the_faulty_example_is_refused_in_these_words() -> None:
    (odd,) = [each for each in EXAMPLES if 'name = "Odd"' in each]
    with pytest.raises(DefinitionError) as caught:
        parse_template(odd, "odd.toml", check_letter=variables.check)
    assert f"{caught.value}\n" == FAULTS
    mended = odd.replace('"mail"', '"email"').replace('langage = "en"\n', "")
    with pytest.raises(DefinitionError) as caught:
        parse_template(mended, "odd.toml", check_letter=variables.check)
    assert [f"{caught.value}\n"] == MORE


def test_every_variable_tag_and_filter_is_listed() -> None:
    rows = {match[1]: re.findall(r"`(\w+)`", match[2]) for match in re.finditer(r"^\| `(\w+)` \| (.*) \|$", TEXT, re.M)}
    assert rows == {root: list(names) for root, names in variables.KNOWN.items()}
    told_tags, told_filters = re.findall(r"^Tags: (.*?)\. Filters: (.*?)\. ", TEXT, re.M | re.DOTALL)[0]
    assert set(re.findall(r"`(\w+)`", told_tags)) == liquid.TAGS - {"#"}
    assert set(re.findall(r"`(\w+)`", told_filters)) == liquid.FILTERS
