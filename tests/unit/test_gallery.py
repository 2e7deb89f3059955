"""The gallery: every template is a valid definition, and is there in both languages."""

from __future__ import annotations

import pytest

from mailcrm.builtin import variables
from mailcrm.core.definitions import (
    CampaignDefinition,
    CampaignState,
    SequenceDefinition,
    WorkflowDefinition,
    notes,
    parse,
    to_toml,
)
from mailcrm.gallery import Template, gallery
from tests.flow_registry import registry

REGISTRY = registry()


def test_there_are_enough_of_each_kind_in_both_languages() -> None:  # SEQ-6
    english, polish = gallery("en"), gallery("pl")
    assert [template.slug for template in english] == [template.slug for template in polish]
    assert len(gallery()) == len(english) + len(polish)
    assert [template.kind for template in english].count("sequence") >= 5
    assert [template.kind for template in english].count("workflow") >= 3
    assert [template.kind for template in english].count("campaign") >= 3
    names = [template.name for template in gallery()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("template", gallery(), ids=lambda template: f"{template.slug}.{template.language}")
def test_a_template_can_be_applied_as_it_is(template: Template) -> None:
    file = f"{template.slug}.{template.language}.toml"
    definition = parse(template.text, file, REGISTRY, check_letter=variables.check)
    assert definition.name == template.name
    assert definition.description == template.description
    assert definition.owner is None  # who applies it
    assert parse(to_toml(definition), "again.toml", REGISTRY) == definition
    if isinstance(definition, CampaignDefinition):
        assert definition.state is CampaignState.PREPARING  # whoever copies it looks at it first
        return
    assert not [note for note in notes(definition) if "nothing to reply" in note or "stays in" in note]


@pytest.mark.parametrize("slug", sorted({template.slug for template in gallery()}))
def test_both_languages_say_the_same(slug: str) -> None:
    """The same steps or kinds of node in the same order, after the same time; a campaign of one type and manner."""
    english, polish = (parse(template.text, slug, REGISTRY) for template in gallery() if template.slug == slug)
    if isinstance(english, SequenceDefinition) and isinstance(polish, SequenceDefinition):
        assert [(type(step), step.after) for step in english.steps] == [
            (type(step), step.after) for step in polish.steps
        ]
        assert (english.items, english.stop_on_reply) == (polish.items, polish.stop_on_reply)
    elif isinstance(english, CampaignDefinition) and isinstance(polish, CampaignDefinition):
        manners = [(each.type, each.sender, each.strategy, each.due, len(each.lines)) for each in (english, polish)]
        assert manners[0] == manners[1]
    else:
        assert isinstance(english, WorkflowDefinition)
        assert isinstance(polish, WorkflowDefinition)
        assert [type(node) for node in english.nodes.values()] == [type(node) for node in polish.nodes.values()]
