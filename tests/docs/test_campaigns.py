"""docs/campaigns.md: every example is accepted, one of each type; the faults it shows are those that are told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mailcrm.builtin import variables
from mailcrm.core.definitions import (
    CampaignDefinition,
    CampaignType,
    DefinitionError,
    SenderPolicy,
    Strategy,
    parse,
    to_flow,
    to_toml,
)
from tests.flow_registry import registry

TEXT = (Path(__file__).parents[2] / "docs" / "campaigns.md").read_text(encoding="utf-8")
CAMPAIGNS = [each for each in re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL) if 'kind = "campaign"' in each]
(FAULTY,) = [each for each in CAMPAIGNS if 'name = "Odd"' in each]
EXAMPLES = [each for each in CAMPAIGNS if each != FAULTY]
REGISTRY = registry()


def read(example: str) -> CampaignDefinition:
    definition = parse(example, "docs/campaigns.md", REGISTRY, check_letter=variables.check)
    assert isinstance(definition, CampaignDefinition)
    return definition


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_accepted_and_prints_back(example: str) -> None:
    definition = read(example)
    assert parse(to_toml(definition), "again.toml", REGISTRY) == definition
    assert to_flow(definition, REGISTRY, id=1, version=1).start == ("campaign",)


def test_there_is_one_of_each_type() -> None:  # CAMP-1
    assert {read(example).type for example in EXAMPLES} == set(CampaignType)


def test_the_faulty_example_is_refused_in_these_words() -> None:
    (shown,) = [each for each in re.findall(r"```text\n(.*?)```", TEXT, re.DOTALL) if each.startswith("odd.toml")]
    with pytest.raises(DefinitionError) as caught:
        parse(FAULTY, "odd.toml", REGISTRY)
    assert f"{caught.value}\n" == shown


def test_every_type_strategy_and_sender_is_explained() -> None:
    rows = set(re.findall(r"^\| `([\w-]+)` \|", TEXT, re.MULTILINE))
    assert {*CampaignType, *Strategy} <= rows
    (told,) = re.findall(r"^\| `sender` \|.*$", TEXT, re.MULTILINE)
    assert all(f"`{each}`" in told for each in SenderPolicy)
