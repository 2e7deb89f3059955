"""The twenty triggers: each starts a workflow by what really happens, with its filter, and not by what does not fit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mailcrm.app import activities, persons
from mailcrm.app.acting import Actor
from mailcrm.app.emit import emit
from mailcrm.app.registry import BUILT_IN
from mailcrm.plugins import PluginHost
from mailcrm.store.activities import About
from mailcrm.store.db import Database
from tests.flow_kit import Story

ANYBODY = Actor()


@pytest.fixture(scope="module")
def plugins() -> PluginHost:
    host = PluginHost(known=BUILT_IN)
    host.load()
    return host


@pytest.fixture
def story(database: Database, tmp_path: Path, plugins: PluginHost) -> Story:
    return Story(database, tmp_path, plugins=plugins)


def hit(on: str, where: str) -> str:
    return (
        f'kind = "workflow"\nname = "Hit"\n[nodes.in]\non = "{on}"\nwhere = {{ {where} }}\nnext = "hit"\n'
        '[nodes.hit]\ndo = "tag.add"\nwith = { tag = "hit" }\nnext = "end"\n[nodes.end]\nend = "all"\n'
    )


def told(kind: str, **data: Any) -> Callable[[Story, int], None]:
    """Somebody outside tells of it, as `mailcrm event emit` does."""

    def happen(story: Story, person: int) -> None:
        emit(story.context, kind, data, source="command", person=str(person))

    return happen


def meeting(story: Story, person: int) -> None:
    activities.add(story.context, ANYBODY, "Meeting", About(person_id=person), due=story.now)


def call(story: Story, person: int) -> None:
    activities.add(story.context, ANYBODY, "call", About(person_id=person), due=story.now)


def tag(name: str) -> Callable[[Story, int], None]:
    def happen(story: Story, person: int) -> None:
        persons.add_tag(story.context, ANYBODY, name, person)

    return happen


def untag(name: str) -> Callable[[Story, int], None]:
    def happen(story: Story, person: int) -> None:
        persons.add_tag(story.context, ANYBODY, name, person)
        persons.remove_tag(story.context, ANYBODY, name, person)

    return happen


def through(name: str) -> Callable[[Story, int], None]:
    """The person goes through another workflow, to its end."""

    def happen(story: Story, person: int) -> None:
        letters = hit("tag.added", f'tag = "{name}"').replace('"Hit"', f'"{name}"')
        story.flow(letters.replace('"hit" }', '"was there" }'))
        persons.add_tag(story.context, ANYBODY, name, person)

    return happen


OFFER = {"product": "offer-1"}
LESSON = {"course": "c", "module": "m", "lesson": "l"}
OPENED = {"message": "m@x.example", "flow": "Spring", "grade": "human"}
CLICKED = {**OPENED, "url": "https://firma.example/a"}
TRIGGERS: dict[str, tuple[str, str, Any, Any]] = {
    "WF-T1 meeting scheduled": ("meeting.scheduled", 'type = "meeting"', meeting, call),
    "WF-T2 tag added": ("tag.added", 'tag = "vip"', tag("vip"), tag("other")),
    "WF-T3 tag removed": ("tag.removed", 'tag = "vip"', untag("vip"), untag("other")),
    "WF-T4 funnel form": (
        "form.submitted",
        'place = "funnel", form = "f"',
        told("form.submitted", form="f", place="funnel"),
        told("form.submitted", form="f", place="blog"),
    ),
    "WF-T5 blog form": (
        "form.blog",
        'form = "f"',
        told("form.submitted", form="f", place="blog"),
        told("form.submitted", form="f", place="funnel"),
    ),
    "WF-T6 campaign completed": ("flow.completed", 'flow = "Letters"', through("Letters"), through("Others")),
    "WF-T7 webinar registered": (
        "webinar.registered",
        'webinar = "w"',
        told("webinar.registered", webinar="w"),
        told("webinar.registered", webinar="x"),
    ),
    "WF-T8 course enrolled": (
        "course.enrolled",
        'course = "c"',
        told("course.enrolled", course="c"),
        told("course.completed", course="c"),
    ),
    "WF-T9 course completed": (
        "course.completed",
        'course = "c"',
        told("course.completed", course="c"),
        told("course.completed", course="d"),
    ),
    "WF-T10 module completed": (
        "module.completed",
        'module = "m"',
        told("module.completed", course="c", module="m"),
        told("module.completed", course="c", module="n"),
    ),
    "WF-T11 lesson completed": (
        "lesson.completed",
        'lesson = "l", module = "m"',
        told("lesson.completed", **LESSON),
        told("lesson.completed", **{**LESSON, "module": "n"}),
    ),
    "WF-T12 bundle enrolled": (
        "bundle.enrolled",
        'course = "b"',
        told("bundle.enrolled", course="b"),
        told("course.enrolled", course="b"),
    ),
    "WF-T13 new sale": (
        "sale.made",
        'product = "offer-1"',
        told("sale.made", **OFFER, amount=99, currency="PLN"),
        told("sale.made", product="offer-2"),
    ),
    "WF-T14 sale cancelled": (
        "sale.cancelled",
        'product = "offer-1"',
        told("sale.cancelled", **OFFER),
        told("sale.made", **OFFER),
    ),
    "WF-T15 e-mail opened": (
        "mail.opened",
        'flow = "Spring"',
        told("mail.opened", **OPENED),
        told("mail.opened", **{**OPENED, "grade": "machine"}),
    ),
    "WF-T16 link clicked": (
        "link.clicked",
        'url = "https://firma.example/a"',
        told("link.clicked", **CLICKED),
        told("link.clicked", **{**CLICKED, "url": "https://firma.example/b"}),
    ),
    "WF-T17 page visited": (
        "page.visited",
        'url = "https://firma.example/a"',
        told("page.visited", url="https://firma.example/a"),
        told("page.visited", url="https://firma.example/b"),
    ),
    "WF-T18 community joined": (
        "community.joined",
        'community = "c"',
        told("community.joined", community="c"),
        told("community.joined", community="d"),
    ),
    "WF-T19 payment failed": (
        "payment.failed",
        'product = "offer-1"',
        told("payment.failed", **OFFER),
        told("payment.failed", product="offer-2"),
    ),
    "WF-T20 creator-store form": (
        "form.store",
        'form = "f"',
        told("form.submitted", form="f", place="store"),
        told("form.submitted", form="g", place="store"),
    ),
}


@pytest.mark.parametrize("row", TRIGGERS)
def test_each_trigger_starts_a_workflow(story: Story, row: str) -> None:  # WF-T1 to WF-T20
    on, where, fits, does_not = TRIGGERS[row]
    story.flow(hit(on, where))
    ewa, jan, bystander = story.person("Ewa"), story.person("Jan"), story.person("Ola")
    fits(story, ewa)
    does_not(story, jan)
    story.run()
    assert "hit" in story.tags(ewa)
    assert "hit" not in story.tags(jan)
    assert story.tags(bystander) == []


def test_there_are_twenty() -> None:
    assert [row.split()[0] for row in TRIGGERS] == [f"WF-T{number}" for number in range(1, 21)]
