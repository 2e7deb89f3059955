"""Any valid definition, for Hypothesis; what it may name is in ``tests.flow_registry``."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from mailcrm.core.definitions import (
    ActivityStep,
    CampaignDefinition,
    CampaignState,
    CampaignType,
    Chosen,
    Definition,
    DraftStep,
    EmailStep,
    Line,
    OnEdit,
    RuleDefinition,
    SenderPolicy,
    SequenceDefinition,
    StopOnReply,
    Strategy,
    WorkflowDefinition,
)
from mailcrm.core.flow import Action, Again, Condition, Do, End, If, Node, On, Switch, Wait

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="{"), max_size=30) | st.sampled_from(
    ['"""', 'a\n"""b"\n\\', "\r\n\x7f\x00", "\n\n", "Dzień dobry,\n\n{{ person.first_name }}", "'''\\", '{ x = "y" }#']
)
NAMES = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=8)
SPANS = st.builds("{}{}".format, st.integers(1, 999), st.sampled_from(["m", "h", "d", "w", "mo", "y"]))
MAYBE_SPAN = st.none() | SPANS
MAYBE_TEXT = st.none() | TEXT
ABOUT: dict[str, Any] = {"name": NAMES, "owner": MAYBE_TEXT, "description": TEXT}

PLACES = st.sampled_from(["funnel", "blog", "store"])
WHERES = st.one_of(
    st.tuples(st.just("form.submitted"), st.fixed_dictionaries({}, optional={"form": TEXT, "place": PLACES})),
    st.tuples(
        st.just("sale.made"),
        st.fixed_dictionaries(
            {}, optional={"product": TEXT, "amount": st.floats(allow_nan=False, allow_infinity=False) | st.integers()}
        ),
    ),
    st.tuples(st.just("deal.won"), st.fixed_dictionaries({}, optional={"deal": st.integers(1), "stage": TEXT})),
)
ACTIONS = st.one_of(
    st.builds(Action, st.just("tag.add"), st.fixed_dictionaries({"tag": TEXT})),
    st.builds(
        Action,
        st.just("field.set"),
        st.fixed_dictionaries({"field": NAMES, "value": TEXT | st.booleans() | st.integers() | st.floats(-1e9, 1e300)}),
    ),
    st.builds(
        Action,
        st.just("mail.send"),
        st.fixed_dictionaries({"body": TEXT}, optional={"subject": TEXT, "html": TEXT, "in_thread": st.booleans()})
        | st.fixed_dictionaries({"template": NAMES}, optional={"in_thread": st.booleans()}),
    ),
)
CONDITIONS = st.one_of(
    st.builds(Condition, st.just("tag"), st.fixed_dictionaries({"tag": TEXT}), st.booleans()),
    st.builds(
        Condition,
        st.just("field"),
        st.fixed_dictionaries(
            {"field": NAMES}, optional={"is": TEXT | st.integers(), "not": TEXT, "empty": st.booleans()}
        ),
        st.booleans(),
    ),
    st.builds(Condition, st.just("deal_open"), st.just({}), st.booleans()),
    st.builds(Condition, st.just("replied"), st.fixed_dictionaries({}, optional={"within": SPANS}), st.booleans()),
)
CASE_WORDS = NAMES.filter(lambda word: not word.startswith("!"))
STEPS = st.one_of(
    st.builds(
        ActivityStep,
        activity=NAMES,
        after=MAYBE_SPAN,
        due=MAYBE_SPAN,
        assignee=MAYBE_TEXT,
        priority=st.sampled_from([None, "low", "normal", "high"]),
        note=MAYBE_TEXT,
    ),
    st.builds(
        DraftStep,
        subject=TEXT,
        body=TEXT,
        html=MAYBE_TEXT,
        after=MAYBE_SPAN,
        sender=MAYBE_TEXT,
        recipient=MAYBE_TEXT,
        remind=MAYBE_SPAN,
        in_thread=st.booleans(),
    ),
    st.builds(EmailStep, template=NAMES, after=MAYBE_SPAN, in_thread=st.booleans()),
)
SEQUENCES = st.builds(
    SequenceDefinition,
    **ABOUT,
    items=st.sampled_from(["deals", "leads"]),
    steps=st.lists(STEPS, max_size=10).map(tuple),
    stop_on_reply=st.sampled_from(StopOnReply),
)
RULES = st.builds(
    lambda on, **rest: RuleDefinition(trigger=on[0], where=on[1], **rest), WHERES, **ABOUT, action=ACTIONS
)

SAID = TEXT.filter(str.strip)
LISTS = st.lists(SAID, max_size=3).map(tuple)
PRIORITIES = st.sampled_from([None, "low", "normal", "high"])


def amounts(most: int, places: int) -> st.SearchStrategy[Decimal]:
    return st.decimals(0, most, places=places)


LINES = st.builds(
    Line,
    description=NAMES,
    price=amounts(10**9, 2) | amounts(10**6, 4),
    quantity=amounts(1000, 4).filter(bool) | st.just(Decimal(1)),
    unit=st.just("") | NAMES,
    tax=st.none() | st.just("exempt") | amounts(100, 2),
)
DOCUMENTS: dict[str, Any] = {
    "series": NAMES,
    "lines": st.lists(LINES, min_size=1, max_size=3).map(tuple),
    "pay_within": MAYBE_SPAN,
    "currency": st.none() | st.sampled_from(["PLN", "EUR"]),
}
PLANNED: dict[str, Any] = {"due": MAYBE_SPAN, "priority": PRIORITIES, "note": TEXT}
OF_TYPE: dict[CampaignType, dict[str, Any]] = {
    CampaignType.MAILING: {"subjects": st.lists(SAID, max_size=10, unique=True).map(tuple)},
    CampaignType.CALLS: PLANNED,
    CampaignType.ACTIVITIES: {"activity": NAMES, **PLANNED},
    CampaignType.INVOICES: {"send_mails": st.booleans(), **DOCUMENTS},
    CampaignType.DEALS: {
        "send_mails": st.booleans(),
        "title": NAMES,
        "stage": st.none() | NAMES,
        "value": st.none() | amounts(10**9, 2),
        "currency": DOCUMENTS["currency"],
    },
    CampaignType.OFFERS: DOCUMENTS,
}
"""What campaigns of each type have besides what all have, complete enough to be ready."""


def campaigns_of(kind: CampaignType) -> st.SearchStrategy[CampaignDefinition]:
    """Any campaign of a type."""
    return st.builds(
        CampaignDefinition,
        type=st.just(kind),
        **ABOUT,
        goal=TEXT,
        sender=st.sampled_from(SenderPolicy),
        strategy=st.sampled_from(Strategy),
        state=st.sampled_from(CampaignState),
        template=NAMES,
        recipients=st.builds(Chosen, LISTS, LISTS, LISTS),
        **OF_TYPE[kind],
    )


CAMPAIGNS = st.one_of(*map(campaigns_of, CampaignType))


@st.composite
def workflows(draw: st.DrawFn) -> WorkflowDefinition:
    """Edges lead to later nodes, those of a Wait anywhere; the first node leads to all that nothing else leads to."""
    names = draw(st.lists(NAMES, min_size=2, max_size=8, unique=True))
    nodes: dict[str, Node] = {}
    for index, name in enumerate(names[1:-1], 1):
        nodes[name] = _node(draw, names[index + 1 :], names[1:])
    nodes[names[-1]] = End(draw(st.sampled_from(["all", "branch"])))
    led_to: set[str] = set()
    for index in range(1, len(names)):
        led_to |= _led_to(nodes[names[index]]) - set(names[1 : index + 1])
    trigger, where = draw(WHERES)
    first = On(trigger, where, tuple(name for name in names[1:] if name not in led_to))
    order = draw(st.permutations(names))
    all_nodes = {names[0]: first, **nodes}
    return WorkflowDefinition(
        nodes={name: all_nodes[name] for name in order},
        again=draw(st.sampled_from(Again)),
        on_edit=draw(st.sampled_from(OnEdit)),
        **{key: draw(strategy) for key, strategy in ABOUT.items()},
    )


def _led_to(node: Node) -> set[str]:
    match node:
        case On():
            return {*node.next, *node.otherwise}
        case If():
            return {*node.yes, *node.no}
        case Switch():
            return {name for _, names in node.cases for name in names} | set(node.other or ())
        case Do() | Wait():
            return set(node.next)
    return set()


def _node(draw: st.DrawFn, later: list[str], anywhere: list[str]) -> Node:
    some = st.lists(st.sampled_from(later), max_size=2, unique=True).map(tuple)
    kind = draw(st.sampled_from(["on", "if", "switch", "do", "wait"]))
    match kind:
        case "on":
            trigger, where = draw(WHERES)
            node = On(trigger, where, draw(some), entry=draw(st.sampled_from([None, True, False])))
            return replace(node, within=draw(SPANS), otherwise=draw(some)) if draw(st.booleans()) else node
        case "if":
            groups = st.lists(st.lists(CONDITIONS, min_size=1, max_size=2).map(tuple), min_size=1, max_size=2)
            return If(tuple(draw(groups)), draw(some), draw(some))
        case "switch":
            words = draw(st.lists(CASE_WORDS, min_size=1, max_size=3, unique=True))
            field = draw(st.none() | NAMES)
            cases = []
            for word in words:
                args = {"tag": word} if field is None else {"field": field, "is": word}
                cases.append((Condition("tag" if field is None else "field", args, draw(st.booleans())), draw(some)))
            return Switch(tuple(cases), draw(st.none() | st.sampled_from(later).map(lambda name: (name,))))
        case "do":
            actions = tuple(draw(st.lists(ACTIONS, min_size=1, max_size=2)))
            return Do(actions, draw(some), draw(MAYBE_SPAN), draw(st.sampled_from(["fail", "continue"])))
    return Wait(draw(SPANS), (draw(st.sampled_from(anywhere)),))


def definitions() -> st.SearchStrategy[Definition]:
    """Any definition that ``parse`` accepts."""
    return st.one_of(SEQUENCES, RULES, CAMPAIGNS, workflows())
