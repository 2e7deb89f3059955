"""Definitions are printed back as TOML, and read again as they were."""

from __future__ import annotations

import tomllib

from hypothesis import given

from mailcrm.core.definitions import Definition, WorkflowDefinition, parse, to_data, to_toml
from tests.definition_strategies import definitions, workflows
from tests.flow_registry import registry

REGISTRY = registry()


@given(definitions())
def test_what_is_printed_reads_as_it_was(definition: Definition) -> None:
    text = to_toml(definition)
    again = parse(text, "flow.toml", REGISTRY)
    assert again == definition
    assert to_toml(again) == text
    assert tomllib.loads(text) == to_data(definition)


@given(workflows())
def test_nodes_and_cases_keep_the_authors_order(workflow: WorkflowDefinition) -> None:
    again = parse(to_toml(workflow), "flow.toml", REGISTRY)
    assert isinstance(again, WorkflowDefinition)
    assert list(again.nodes.items()) == list(workflow.nodes.items())


def test_a_file_in_the_authors_words_is_printed_so() -> None:
    text = '''kind = "workflow"
name = "Offer 1"
owner = "anna"
again = "never"

[nodes."signed up"]
on = "form.submitted"
where = { form = "offer-1" }
next = ["ask", "welcome"]

[nodes.ask]
if = [[{ tag = "vip" }, { not_field = "region", is = "north" }], [{ deal_open = true }]]
yes = "end"

[nodes.welcome]
do = "mail.send"
after = "2h"
next = "end"
[nodes.welcome.with]
subject = "Hello"
body = """
Dzień dobry,
"Anna" writes.
"""

[nodes.end]
end = "branch"
'''
    assert to_toml(parse(text, "flow.toml", REGISTRY)) == text
