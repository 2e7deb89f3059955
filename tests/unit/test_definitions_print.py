"""Definitions are printed back as TOML, and read again as they were."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence

import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from mailcrm.core.definitions import Definition, DefinitionError, Fault, WorkflowDefinition, parse, to_data, to_toml
from tests.definition_strategies import definitions
from tests.flow_registry import registry

REGISTRY = registry()


@given(definitions())
def test_what_is_printed_reads_as_it_was(definition: Definition) -> None:
    text = to_toml(definition)
    again = parse(text, "flow.toml", REGISTRY)
    assert again == definition
    assert to_toml(again) == text
    assert tomllib.loads(text) == to_data(definition)
    if isinstance(definition, WorkflowDefinition) and isinstance(again, WorkflowDefinition):
        assert list(again.nodes.items()) == list(definition.nodes.items())  # in the author's order


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


KEYS = """kind name for step type on if switch do wait end next yes cases tag with field is after workflow email
tag.add form.submitted all 3d template a mailing deals offers ready state line price value tax recipients subjects"""
WORDS = st.sampled_from(KEYS.split())
VALUES = st.recursive(
    WORDS | st.integers(-3, 3) | st.booleans() | st.dates() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.text(max_size=3), inner, max_size=4),
    max_leaves=15,
)


TABLES = st.dictionaries(WORDS, VALUES, max_size=4)


@given(
    st.sampled_from(["workflow", "sequence", "rule", "campaign"]), TABLES, st.dictionaries(WORDS, TABLES, max_size=4)
)
def test_whatever_a_file_holds_it_is_read_or_refused(
    kind: str, rest: dict[str, object], nodes: dict[str, dict[str, object]]
) -> None:
    inner = {"nodes": nodes, "step": list(nodes.values()), "line": list(nodes.values())}
    of = {"workflow": "nodes", "campaign": "line"}.get(kind, "step")
    inner = {of: inner[of]}
    text = tomli_w.dumps({"name": "N", "for": "deals", **rest, "kind": kind, **inner})
    faults: Sequence[Fault] = ()
    try:
        definition = parse(text, "any.toml", REGISTRY)
    except DefinitionError as error:
        faults = error.faults
    else:
        assert parse(to_toml(definition), "again.toml", REGISTRY) == definition
    for fault in faults:
        assert 1 <= fault.line <= text.count("\n") + 1
        assert fault.what
        assert fault.mend
        assert "\n" not in str(fault)
