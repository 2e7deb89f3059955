"""Definition files: what is read, and what is refused with file, line, element and mend."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mailcrm.core.definitions import (
    ActivityStep,
    DefinitionError,
    DraftStep,
    EmailStep,
    OnEdit,
    RuleDefinition,
    SequenceDefinition,
    StopOnReply,
    WorkflowDefinition,
    notes,
    parse,
)
from mailcrm.core.flow import Action, Again, Condition, Do, End, If, On, Switch, Wait
from mailcrm.errors import Permanent, Refused
from tests.flow_registry import registry

REGISTRY = registry()

SEQUENCE = """\
kind = "sequence"
name = "Warm lead"
for = "leads"
owner = "anna@firma.example"
stop_on_reply = "organization"
[[step]]
type = "activity"
after = "1d"
activity = "call"
due = "4h"
assignee = "owner"
priority = "high"
note = "Ask about the budget"
[[step]]
type = "draft"
subject = "{{ deal.title }}"
body = "Hello"
remind = "4h"
[[step]]
type = "email"
after = "2d"
template = "follow-up"
in_thread = true
"""
HEAD = 'kind = "workflow"\nname = "W"\n'
ENTRY = '[nodes.in]\non = "form.submitted"\nnext = "x"\n'
END = '[nodes.end]\nend = "all"\n'


def workflow(text: str) -> WorkflowDefinition:
    definition = parse(text, "w.toml", REGISTRY)
    assert isinstance(definition, WorkflowDefinition)
    return definition


def refusal(text: str, **given: int) -> list[str]:
    with pytest.raises(DefinitionError) as caught:
        parse(text, "w.toml", REGISTRY, **given)
    assert isinstance(caught.value, Permanent)
    assert str(caught.value).split("\n") == [str(fault) for fault in caught.value.faults]
    return str(caught.value).split("\n")


def test_a_sequence_is_read_step_by_step() -> None:  # SEQ-1, SEQ-2, SEQ-3, SEQ-10, SEQ-11, SEQ-12, SEQ-14
    assert parse(SEQUENCE, "s.toml", REGISTRY) == SequenceDefinition(
        "Warm lead",
        "leads",
        (
            ActivityStep("call", "1d", "4h", "owner", "high", "Ask about the budget"),
            DraftStep(subject="{{ deal.title }}", body="Hello", remind="4h"),
            EmailStep(template="follow-up", after="2d", in_thread=True),
        ),
        owner="anna@firma.example",
        stop_on_reply=StopOnReply.ORGANIZATION,
    )


def test_a_reply_stops_a_sequence_unless_its_author_says_not() -> None:
    def stop(line: str) -> StopOnReply:
        definition = parse(f'kind = "sequence"\nname = "S"\nfor = "deals"\n{line}', "s.toml", REGISTRY)
        assert isinstance(definition, SequenceDefinition)
        return definition.stop_on_reply

    assert [stop(""), stop("stop_on_reply = true"), stop("stop_on_reply = false")] == ["person", "person", "no"]


def test_a_workflow_is_read_node_by_node() -> None:  # WF-1, WF-6, WF-9, GRAPH-8, GRAPH-15, GRAPH-20 to GRAPH-23
    text = f"""{HEAD}again = "restart"
on_edit = "finish"
[nodes.in]
on = "form.submitted"
where = {{ form = ["offer-1", "offer-2"], place = "blog" }}
next = ["wait", "clicked"]
[nodes.wait]
wait = "1mo"
next = "ask"
[nodes.clicked]
on = "link.clicked"
entry = false
within = "5d"
next = "by-tag"
otherwise = "tell"
[nodes.ask]
if = [
  [{{ tag = "a" }}, {{ not_tag = "b" }}],
  [{{ field = "region", is = "north" }}, {{ deal_open = true }}, {{ deal_open = false }},
    {{ replied = {{ within = "3d" }} }}],
  [{{ tag = "c", not = true }}, {{ field = "region", not = "south" }}, {{ not_replied = true, within = "1w" }}],
]
yes = "by-tag"
no = "end"
[nodes.by-tag]
switch = {{ tag = ["vip", "partner"] }}
cases = {{ vip = "tell", "!partner" = ["end"] }}
other = "end"
[nodes.tell]
do = [{{ do = "tag.add", with = {{ tag = "x" }} }}, {{ do = "notify", with = {{ text = "Look" }} }}]
after = "2h"
on_error = "continue"
next = "end"
[nodes.end]
end = "branch"
"""
    found = workflow(text)
    tag = lambda name, negated=False: Condition("tag", {"tag": name}, negated)  # noqa: E731
    assert (found.again, found.on_edit) == (Again.RESTART, OnEdit.FINISH)
    assert found.nodes == {
        "in": On("form.submitted", {"form": ["offer-1", "offer-2"], "place": "blog"}, ("wait", "clicked")),
        "wait": Wait("1mo", ("ask",)),
        "clicked": On("link.clicked", {}, ("by-tag",), "5d", ("tell",), entry=False),
        "ask": If(
            (
                (tag("a"), tag("b", True)),
                (
                    Condition("field", {"field": "region", "is": "north"}),
                    Condition("deal_open"),
                    Condition("deal_open", negated=True),
                    Condition("replied", {"within": "3d"}),
                ),
                (
                    tag("c", True),
                    Condition("field", {"field": "region", "not": "south"}),
                    Condition("replied", {"within": "1w"}, negated=True),
                ),
            ),
            ("by-tag",),
            ("end",),
        ),
        "by-tag": Switch(((tag("vip"), ("tell",)), (tag("partner", True), ("end",))), ("end",)),
        "tell": Do((Action("tag.add", {"tag": "x"}), Action("notify", {"text": "Look"})), ("end",), "2h", "continue"),
        "end": End("branch"),
    }
    assert list(found.nodes) == ["in", "wait", "clicked", "ask", "by-tag", "tell", "end"]


def test_a_rule_is_one_trigger_and_one_action() -> None:  # WF-17
    text = (
        'kind = "rule"\nname = "R"\non = "sale.made"\nwhere = { product = "o" }\ndo = "tag.add"\nwith = { tag = "C" }\n'
    )
    expected = RuleDefinition("R", "sale.made", Action("tag.add", {"tag": "C"}), {"product": "o"})
    assert parse(text, "r.toml", REGISTRY) == expected


def test_all_faults_are_told_at_once_in_the_order_of_the_file() -> None:
    text = f"""{HEAD}colour = "red"
[nodes.in]
on = "form.submited"
next = "pause"

[nodes.pause]
# a comment
wait = "three days"
nxt = "end"
[nodes.act]
do = "tag.ad"
next = "ende"
{END}"""
    assert refusal(text) == [
        "w.toml:3: colour: unknown key; known here: again, description, kind, name, nodes, on_edit, owner",
        "w.toml:5: nodes.in.on: there is no event form.submited; write form.submitted",
        'w.toml:10: nodes.pause.wait: "three days" is no span of time; '
        "write a number and one of m, h, d, w, mo, y, such as 3d",
        "w.toml:11: nodes.pause.nxt: unknown key; write next",
        "w.toml:13: nodes.act.do: there is no action tag.ad; write tag.add",
        "w.toml:14: nodes.act.next: there is no node ende; write end",
    ]


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ('onn = "tag.added"', "6: nodes.x.onn: unknown key; write on"),
        ('next = "end"', "5: nodes.x: does not say what it is; write one of on, if, switch, do, wait, end"),
        ('wait = "3d"\nend = "all"', "5: nodes.x: is both wait and end; make two nodes of it"),
        ("wait = 3", "6: nodes.x.wait: a whole number is no span of time; write a number and one of"),
        ('end = "everything"', '6: nodes.x.end: "everything" is not known; write one of all, branch'),
        ('on = "tag.added"\nwhere = { tga = "x" }', "7: nodes.x.where.tga: tag.added has no tga; write tag"),
        ('on = "tag.added"\nwhere = { tag = 3 }', "7: nodes.x.where.tag: is a whole number; write text"),
        ('on = "deal.won"\nwhere = { deal = true }', "7: nodes.x.where.deal: is true or false; write a whole number"),
        ('on = "tag.added"\nwhere = { tag = ["vip", 3] }', "7: nodes.x.where.tag: is a list; write text or a list"),
        ('on = "tag.added"\nwhere = "vip"', "7: nodes.x.where: is text; write a table: { … }"),
        ('on = "tag.added"\nentry = "no"', "7: nodes.x.entry: is text; write true or false"),
        ('on = "tag.added"\nnext = ["end", "end"]', "7: nodes.x.next: end stands twice in the list; leave one"),
        ('on = "tag.added"\nnext = 3', "7: nodes.x.next: is a whole number; write the name of a node, or a list"),
        ('do = "tag.add"', "5: nodes.x: tag.add needs tag; write tag = …"),
        ('do = "tag.add"\nwith = { tag = 3 }', "7: nodes.x.with.tag: is a whole number; write text"),
        ('do = "notify"\nwith = { text = "", user = [] }', "7: nodes.x.with.user: is a list; write text"),
        (
            'do = "field.set"\nwith = { field = "f", value = nan }',
            "7: nodes.x.with.value: is no number; write a number",
        ),
        ('do = "draft.create"\nwith = { remind = "soon" }', '7: nodes.x.with.remind: "soon" is no span of time; write'),
        ('do = [{ do = "tag.add", with = { tag = "a" }, aftr = "2h" }]', "6: nodes.x.do[1].aftr: unknown key; known"),
        ('do = ["tag.add"]', '6: nodes.x.do[1]: is text; write { do = "tag.add", with = { tag = "vip" } }'),
        ("do = []", "6: nodes.x.do: is empty; write an action"),
        (
            'do = "tag.add"\nwith.tag = "a"\non_error = "go"',
            '8: nodes.x.on_error: "go" is not known; write one of fail',
        ),
        ("if = []", "6: nodes.x.if: has an empty group; write at least one condition in each group"),
        ('if = { tag = "x" }', '6: nodes.x.if: is a table; write a list of groups: [[{ tag = "vip" }]]'),
        ('if = [["vip"]]', '6: nodes.x.if[1][1]: is text; write a condition: { tag = "vip" }'),
        ('if = [[\n{ tag = "a" },\n{ tga = "x" }]]', "8: nodes.x.if[1][2].tga: there is no condition tga; write tag"),
        ('if = [[{ not_tga = "x" }]]', "6: nodes.x.if[1][1].not_tga: there is no condition not_tga; "),
        ('if = [[{ tag = "x", within = "3d" }]]', "6: nodes.x.if[1][1].within: tag has no within; it has: tag"),
        ('if = [[{ replied = { within = "3 moons" } }]]', '6: nodes.x.if[1][1].within: "3 moons" is no span of time; '),
        ('if = [[{ replied = "3d" }]]', "6: nodes.x.if[1][1].replied: is text; write replied = { within = … }"),
        ('if = [[{ tag = "x", not = "y" }]]', "6: nodes.x.if[1][1].not: is text; write true, or not_tag"),
        ("switch = {}", "6: nodes.x.switch: is about a field or about tags; write"),
        ('switch = { field = "f", tag = "t" }', "6: nodes.x.switch: is about a field or about tags; write"),
        ('switch = { field = "f" }', "5: nodes.x: has no cases; write cases = { VALUE = NODE }"),
        ('switch = { tag = ["a", "b"] }\ncases = { a = "end" }', "6: nodes.x.switch.tag: b has no case; write it"),
        (
            'switch = { tag = ["apple"] }\ncases = { apple = "end", "!aple" = "end" }',
            "7: nodes.x.cases.!aple: aple is not among the tags of this switch; write apple",
        ),
        (
            'switch = { field = "f" }\ncases = { a = "end" }\nother = ["end", "in"]',
            '8: nodes.x.other: only one "other" is allowed; write one name',  # GRAPH-23
        ),
    ],
)
def test_a_faulty_node_is_named_with_its_mend(node: str, expected: str) -> None:
    entry = '[nodes.in]\non = "form.submitted"\n'
    lines = refusal(f"{HEAD}{entry}[nodes.x]\n{node}\n{END}")
    assert any(line.startswith(f"w.toml:{expected}") for line in lines), lines


def test_a_second_other_is_refused_in_whatever_way_it_is_written() -> None:  # GRAPH-23
    switch = '[nodes.x]\nswitch = { field = "f" }\ncases = { a = "end" }\nother = "end"\nother = "in"\n'
    assert refusal(f"{HEAD}{ENTRY}{switch}{END}") == [
        'w.toml:10: other: a second "other": only one is allowed; leave one'
    ]


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ('type = "mail"', "5: step[1].type: there is no step of type mail; write email"),
        ('after = "1d"', "4: step[1]: type is missing; write one of activity, draft, email"),
        ('type = "activity"', '4: step[1]: activity is missing; write activity = "…"'),
        (
            'type = "activity"\nactivity = "call"\npriority = "urgent"',
            '7: step[1].priority: "urgent" is not known; write one of low, normal, high',
        ),
        ('type = "email"', "4: step[1]: has nothing to say; write template, or subject and body"),
        ('type = "email"\nbody = "x"', "4: step[1]: subject is missing; write subject, or in_thread = true"),
        (
            'type = "draft"\ntemplate = "t"\nbody = "x"',
            "6: step[1].template: stands beside body; write either",
        ),
        ('type = "email"\ntemplate = "t"\nremind = "4h"', "7: step[1].remind: unknown key; known here: after, body"),
        ('type = "email"\ntemplate = "t"\nafter = "1 day"', '7: step[1].after: "1 day" is no span of time; write'),
        # SEQ-44: communication only
        (
            'type = "field.set"',
            "5: step[1].type: there is no step of type field.set; write one of activity, draft, email",
        ),
    ],
)
def test_a_faulty_step_is_named_with_its_mend(step: str, expected: str) -> None:
    (line,) = refusal(f'kind = "sequence"\nname = "S"\nfor = "deals"\n[[step]]\n{step}\n')
    assert line.startswith(f"w.toml:{expected}")


def test_the_tenth_step_is_accepted_and_the_eleventh_refused() -> None:  # SEQ-7
    head, step = 'kind = "sequence"\nname = "S"\nfor = "deals"\n', '[[step]]\ntype = "activity"\nactivity = "call"\n'
    ten = parse(head + step * 10, "s.toml", REGISTRY)
    assert isinstance(ten, SequenceDefinition)
    assert len(ten.steps) == 10
    (line,) = refusal(head + step * 11)
    assert line.startswith("w.toml:34: step[11]: a sequence has at most 10 steps, this is the 11th; ")
    assert refusal(head + step * 3, max_steps=2)[0].endswith(
        "at most 2 steps, this is the 3rd; leave it out, or make a second sequence"
    )


def test_a_sequence_without_steps_may_be_stored_and_is_told_of() -> None:  # SEQ-8
    empty = parse('kind = "sequence"\nname = "S"\nfor = "deals"\n', "s.toml", REGISTRY)
    assert notes(empty) == ["there are no steps yet: nothing can be enrolled"]


def test_automatic_steps_and_replies_to_nothing_are_told_of() -> None:  # SEQ-20
    text = SEQUENCE.replace('body = "Hello"', 'body = "Hello"\nin_thread = true')
    assert notes(parse(text, "s.toml", REGISTRY)) == [
        "step[2]: no mail comes before it, so in_thread has nothing to reply to",
        "step[3]: is sent by itself, once its sender (the owner) has consented",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "w.toml:1: kind is missing; write kind = one of sequence, workflow, rule"),
        ('kind = "flow"', "w.toml:1: kind: there is no definition of kind flow; write workflow"),
        ("kind = 3", "w.toml:1: kind: there is no definition of kind 3; write one of sequence, workflow, rule"),
        ('kind = "rule"\nkind = "rule"', "w.toml:2: kind: is written twice; leave one"),
        (f"{HEAD}[nodes.a]\n[nodes.a]\n", "w.toml:4: nodes.a: is written twice; leave one"),
        (
            'kind = "workflow"\n[nodes\n',
            "w.toml:2: this is not TOML: Expected ']' at the end of a table declaration; mend",
        ),
        ('kind = "workflow"\nname = "', "w.toml:2: this is not TOML: "),
        ("a = " + "[" * 5_000, "w.toml:1: lists or tables are nested too deeply; write it flat"),
        ("a = " + "9" * 5_000, "w.toml:1: this is not TOML: Exceeds the limit"),
        ("#" * 500_001, "w.toml:1: the file is longer than 500,000 characters; divide it"),
    ],
)
def test_what_is_no_definition_at_all_is_refused_in_one_line(text: str, expected: str) -> None:
    (line,) = refusal(text)
    assert line.startswith(expected)
    assert len(line) < 400


def test_a_missing_or_odd_name_is_refused() -> None:
    head = 'kind = "sequence"\nfor = "deals"\n'
    assert refusal(head) == ['w.toml:1: name is missing; write name = "…"']
    for name, problem in {
        '""': "is empty",
        '" a"': "begins or ends with a blank",
        '"a\\nb"': "is no plain name",
    }.items():
        assert refusal(f"{head}name = {name}") == [
            f"w.toml:3: name: {problem}; write one line of at most 200 characters"
        ]
    assert refusal('kind = "sequence"\nname = "S"\n') == [
        'w.toml:1: for is missing; write for = "deals" or for = "leads"'
    ]


BAD_LETTERS = """\
kind = "workflow"
name = "W"
[nodes.in]
on = "form.submitted"
next = ["a", "b"]
[nodes.a]
do = "mail.send"
next = "end"
[nodes.a.with]
subject = "{{ person.first_name }}"
body = '''
Hello {{ person.first_name '''
[nodes.b]
do = [
  { do = "tag.add", with = { tag = "x" } },
  { do = "mail.send", with = { subject = "{{ deal.title }}", body = "{% for %}" } },
]
next = "end"
[nodes.end]
end = "all"
"""


def test_letters_that_are_no_templates_are_refused_in_their_place() -> None:
    lines = refusal(BAD_LETTERS)
    assert [line.split(" the ")[0] for line in lines] == [
        "w.toml:11: nodes.a.with.body:",
        "w.toml:16: nodes.b.do[2].with.body:",
    ]


def test_what_letters_may_speak_of_is_asked_of_the_caller() -> None:
    asked = []

    def check(template: str, item: str) -> None:
        asked.append((item, template))
        if "{{" in template:
            raise Refused("{{ deal.title }} is not known; write lead.title")

    with pytest.raises(DefinitionError) as caught:
        parse(SEQUENCE, "s.toml", REGISTRY, check_letter=check)
    assert str(caught.value) == "s.toml:16: step[2].subject: {{ deal.title }} is not known; write lead.title"
    assert asked == [("lead", "{{ deal.title }}"), ("lead", "Hello")]


def test_hostile_keys_stay_on_one_line_of_the_report() -> None:
    (line,) = refusal(
        f'kind = "sequence"\nname = "S"\nfor = "deals"\n"a\\nw.toml:1: fine\\u001b[2J{"x" * 9_000}" = 1\n'
    )
    assert re.fullmatch(r"w\.toml:4: a\?w\.toml:1: fine\?\[2Jx+…: unknown key; .*", line)


def test_more_nodes_than_anybody_can_read_are_refused_before_they_are_walked() -> None:
    nodes = "".join(f'[nodes.n{number}]\nwait = "1d"\n' for number in range(501))
    assert refusal(HEAD + nodes) == ["w.toml:3: nodes: there are more than 500 nodes; make two workflows of it"]


def test_lines_are_right_with_windows_line_ends(tmp_path: Path) -> None:
    text = f'{HEAD}{END}[nodes.in]\non = "form.submited"\nnext = "end"\n'.replace("\n", "\r\n")
    (line,) = refusal(text)
    assert line.startswith("w.toml:6: nodes.in.on: ")
