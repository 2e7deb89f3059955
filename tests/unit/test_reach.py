"""A plugin's actions in flows, from the definition to what is stored; on both databases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from mailcrm import ActionType, Effect, EventKind, Reach, Reply, hookimpl
from mailcrm.app.perform import perform_due
from mailcrm.app.reach import FlowReach
from mailcrm.app.registry import BUILT_IN
from mailcrm.core.enrollment import Subject
from mailcrm.errors import Refused
from mailcrm.plugins import PluginHost
from mailcrm.plugins.find import Found, Place, bundled, from_file
from mailcrm.store import events, fields
from mailcrm.store.db import Database
from mailcrm.store.tables import reaction
from tests.flow_kit import Story

FLOW = """
kind = "workflow"
name = "Gift"
owner = "anna"
[nodes.in]
on = "tag.added"
where = { tag = "go" }
next = "give"
[nodes.give]
do = "coupon.issue"
with = { series = "spring" }
next = "tell"
[nodes.tell]
do = "notify"
with = { text = "{{ person.fields.coupon }}" }
next = "end"
[nodes.end]
end = "all"
"""


@pytest.fixture
def story(database: Database, tmp_path: Path) -> Story:
    (tmp_path / "spring.txt").write_text("A1\nB2\n", encoding="utf-8")
    host = PluginHost(config={"coupons": {"folder": str(tmp_path)}}, known=BUILT_IN)
    folder = bundled()
    assert folder is not None
    host.add(from_file(folder / "coupons.py", Place.BUNDLED))
    return Story(database, tmp_path, plugins=host)


def given(story: Story, person: int) -> Any:
    with story.db.read() as connection:
        return fields.of(connection, "person", [person]).get(person, {}).get("coupon")


def test_each_gets_a_code_and_later_nodes_see_it(story: Story) -> None:
    gift, people = story.flow(FLOW), [story.person(name) for name in ("Ewa", "Jan", "Ola")]
    for person in people:
        story.react("tag.added", person, tag="go")
    done = perform_due(story.context)
    assert (done.done, done.failed) == (2, 1)
    story.run()
    assert sorted(story.statuses(gift)) == ["completed", "completed", "failed"]
    codes = [given(story, person) for person in people]
    assert sorted(filter(None, codes)) == ["A1", "B2"]
    (failed,) = [row for row in story.runs(gift) if row.status == "failed"]
    assert "the coupons 'spring' have run out" in failed.reason
    with story.db.read() as connection:
        issued = events.recent(connection, kind="coupon.issued")
    assert {(each.person, each.data["code"]) for each in issued} == {
        (person, code) for person, code in zip(people, codes, strict=True) if code
    }
    assert {each.source for each in issued} == {"plugin:coupons"}


def test_what_a_plugin_reaches(story: Story) -> None:
    gift = story.flow(FLOW)
    ewa = story.person("Ewa Zielińska", emails=("ewa@klient.example",), phones=("600 100 200",))
    effect = Effect("7.1.0", "give", "coupon.issue", {}, story.now, ((gift, "give"),))
    reach: Reach = FlowReach(story.context, effect, Subject(ewa), "coupons")
    assert (reach.email, reach.phone, reach.now()) == ("ewa@klient.example", "600 100 200", story.now)
    assert reach.card.fields["name"] == "Ewa Zielińska"
    assert reach.folder == story.context.config.data / "plugins" / "coupons"
    assert reach.render("{{ person.first_name }}, {{ rep.first_name }}") == "Ewa, Anna"
    assert reach.emit("coupon.issued", {"series": "s", "code": "A"})
    assert not reach.emit("coupon.issued", {"series": "s", "code": "A"})  # again for the same effect
    with pytest.raises(Refused, match="no field 'x'"):
        reach.emit("coupon.issued", {"x": 1})
    reach.set_field("name", "Ewa Nowak")
    with pytest.raises(Refused, match="no field that a flow may set"):
        reach.set_field("owner", "jan")
    assert reach.card.fields["name"] == "Ewa Nowak"

    nobody: Reach = FlowReach(story.context, effect, Subject(None, deal=1), None)
    assert (nobody.card.person, nobody.email, nobody.phone) == (None, None, None)
    with pytest.raises(Refused, match="there is no person"):
        nobody.set_field("x", 1)


class Loud:
    """Tells of what it does, and listens."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    @hookimpl
    def register_events(self) -> list[EventKind]:
        return [EventKind("loud.done", {"text": str})]

    @hookimpl
    def register_actions(self) -> list[ActionType]:
        async def run(hands: Reach, effect: Effect) -> None:
            hands.emit("loud.done", {"text": Reply(200, effect.args["text"]).text})

        return [ActionType("loud.do", {"text": str}, run)]


def test_what_an_action_emits_starts_other_flows_and_carries_the_chain(database: Database, tmp_path: Path) -> None:
    host = PluginHost(known=BUILT_IN)
    host.add(Found("loud", Place.FOLDER, "given", Loud))
    story = Story(database, tmp_path, plugins=host)
    does = FLOW.replace("coupon.issue", "loud.do").replace('series = "spring"', 'text = "hi"')
    first = story.flow(does.replace("{{ person.fields.coupon }}", "done"))
    second = story.flow(
        'kind = "rule"\nname = "Echo"\non = "loud.done"\nwhere = { text = "HI" }\n'
        'do = "tag.add"\nwith = { tag = "echo" }\n'
    )
    ewa = story.person()
    story.react("tag.added", ewa, tag="go")
    assert perform_due(story.context).done == 1
    story.run()
    assert story.tags(ewa) == ["echo"]
    (run,) = story.runs(second)
    number = int(run.enrolled_by.removeprefix("event:"))
    with story.db.read() as connection:
        chain = connection.execute(select(reaction.c.chain).where(reaction.c.event_id == number)).scalar_one()
    assert chain == [[first, "give"]]
    assert story.statuses(first) == ["completed"]
