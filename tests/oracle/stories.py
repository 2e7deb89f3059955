"""Random flows as an author might draw them, and stories of what happens to one subject, for Hypothesis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st

from mailcrm.core.enrollment import Status
from mailcrm.core.flow import Action, Again, Do, End, If, Names, Node, On, Switch, Wait
from tests.oracle.world import World, flow, h, has

KINDS = ("form", "click", "sale")
Pick = Callable[[Sequence[Any]], Any]


def _pick(draw: st.DrawFn) -> Pick:
    return lambda among: draw(st.sampled_from(among))


@st.composite
def graphs(draw: st.DrawFn, outside: bool = True, circles: bool = True) -> dict[str, Node]:
    """The nodes of a flow. ``outside``: with mails, whose answer takes time."""
    pick = _pick(draw)
    names = [f"n{number}" for number in range(pick(range(4, 10)))]
    entries = pick((1, 1, 2))
    nodes: dict[str, Node] = {}
    for i, name in enumerate(names[:entries]):
        nodes[name] = On(pick(("form", "form", "sale")), next=_to(pick, names, i, entries, circles))
    for i, name in enumerate(names[entries:], entries):

        def to() -> Names:
            return _to(pick, names, i, entries, circles)  # noqa: B023 — called at once

        match pick(("do", "do", "do", "wait", "wait", "on", "on", "if", "switch")):
            case "do":
                actions = tuple(_action(pick, name, outside) for _ in range(pick((1, 1, 2))))
                nodes[name] = Do(actions, to(), pick((None, None, None, "3h")), pick(("fail", "continue")))
            case "wait":
                nodes[name] = Wait(pick(("5h", "1d", "2d")), to())
            case "on":
                within = pick((None, None, "1d"))
                entry = pick((None, None, None, False, True))
                nodes[name] = On(pick(KINDS), {}, to(), within, to() if within else (), entry)
            case "if":
                groups = pick((((has("x"),),), ((has("y", negated=True),),), ((has("x"), has("y")), (has("z"),))))
                nodes[name] = If(groups, to(), to())
            case "switch":
                nodes[name] = Switch(((has("x"), to()), (has("y"), to())), pick((None, to())))
    nodes["end"] = End(pick(("all", "branch")))
    return nodes


def _action(pick: Pick, name: str, outside: bool) -> Action:
    if outside and pick((True, False)):
        return Action("mail", {"letter": name})
    return Action(pick(("tag.add", "tag.remove")), {"tag": pick("xyz")})


def _to(pick: Pick, names: list[str], i: int, entries: int, circles: bool) -> Names:
    ahead = [*names[max(i + 1, entries) :], "end"]
    if i >= entries and pick(range(8)) == 0:
        return ()
    if circles and pick(range(10)) == 0:
        return (pick(names[entries:]),)
    first = pick((ahead[0], ahead[0], pick(ahead)))
    return tuple(dict.fromkeys((first, pick(ahead)))) if pick(range(4)) == 0 else (first,)


@st.composite
def times(draw: st.DrawFn) -> list[tuple[float, str]]:
    """When, in hours, which events happen: the first lets in, no two at one time, none when a timer is due."""
    hours = draw(st.lists(st.integers(1, 120), unique=True, max_size=8))
    kinds = ["form"] + [draw(st.sampled_from(KINDS)) for _ in hours]
    return [
        (hour + 0.5 + number / 1000, kind)
        for number, (hour, kind) in enumerate(zip([0, *sorted(hours)], kinds, strict=True))
    ]


@st.composite
def stories(draw: st.DrawFn) -> list[tuple[int, str]]:
    """What is done, and how many hours after the last."""
    what = ("form", "form", "click", "click", "sale", "late click", "old sale", "ring", "mails", "mails", "mails",
            "bounce", "refuse", "tick", "tick", "enrol", "enrol deep", "complete", "off", "on", "edit",
            "move n2", "move end")  # fmt: skip
    return draw(st.lists(st.tuples(st.sampled_from((0, 0, 1, 7, 30)), st.sampled_from(what)), min_size=3, max_size=14))


def play(world: World, story: list[tuple[int, str]]) -> None:
    """Let it happen; the machine looks after each, and mails leave only when the story says so."""
    world.emit("form")
    world.tick()
    for hours, what in story:
        world.now += h(hours)
        match what.split():
            case ["late" | "old" as age, kind]:
                world.emit(kind, at=world.now - h(4 if age == "late" else 200))
            case ["ring"]:
                world.emit("sale", chain=((1, "n3"), (2, "a"), (1, "n3")))
            case ["mails"]:
                world.dispatch()
            case ["bounce"]:
                world.dispatch("550 no such user")
            case ["refuse"]:
                world.dispatch("consent was taken back", refused=True)
            case ["enrol", *deep]:
                world.enrol(chain=tuple((2, str(n)) for n in range(10)) if deep else ())
            case ["move", node]:
                world.move(node, chain=((2, "a"),))
            case ["complete"]:
                world.stop(Status.COMPLETED, "by hand")
            case ["off"]:
                world.deactivate()
            case ["on"]:
                world.since[1] = world.now
            case ["edit"]:
                world.edit(world.current[1], finish=True)
            case ["form" | "click" | "sale"]:
                world.emit(what)
        world.tick()


@st.composite
def worlds(draw: st.DrawFn, **shape: bool) -> World:
    nodes = draw(graphs(**shape))
    again = draw(st.sampled_from(Again))
    return World(flow(nodes, again=again, start=draw(st.sampled_from((("n0",), ("n3",), ("n1", "n2"), ())))))
