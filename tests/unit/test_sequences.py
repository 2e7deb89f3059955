"""Sequences: what may be defined and put in, how a run ends by hand, what is seen of it; on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from mailcrm.app import overview, persons, sequences, workflows
from mailcrm.app.acting import Actor
from mailcrm.app.enrolling import Item, complete, leave
from mailcrm.core.enrollment import Status
from mailcrm.errors import NotFound, Refused
from mailcrm.store import deals, flows, pipelines
from mailcrm.store.db import Database
from mailcrm.store.deals import NewDeal
from mailcrm.store.tables import enrollment
from tests.house import NOW
from tests.sequence_house import CALL, DRAFT, MAIL, House, house

WAITS = 'after = "1d"\n'


@pytest.fixture
def home(database: Database, tmp_path: Path) -> House:
    return house(database, tmp_path)


def many(home: House, count: int, title: str = "Oferta") -> list[Item]:
    person = home.person(email=f"{title.casefold()}@klient.example")
    with home.context.db.write() as connection:
        pipelines.ensure_default(connection)
        stage = pipelines.first_stage(connection)
        new = [NewDeal(f"{title} {number}", stage, "test", person, owner=1) for number in range(count)]
        return [Item("deal", deals.add(connection, each, NOW)) for each in new]


# -- what is enrolled


def test_a_sequence_walks_its_steps_in_order(home: House) -> None:
    # SEQ-1, SEQ-10, A18: an activity step is done when the activity is created
    note = 'assignee = "jan"\npriority = "high"\nnote = "Zapytaj o budżet"\ndue = "2h"\n'
    home.apply(CALL + WAITS + note + CALL.replace("call", "visit") + WAITS)
    item = home.deal()
    home.enroll(item)
    assert (home.row(item).node, home.activities()) == ("step-1", [])
    home.pass_(days=1)
    home.work()
    [call] = home.activities()
    assert (call.type, call.priority, call.note, call.deal_id) == ("call", "high", "Zapytaj o budżet", item.id)
    assert (call.due, call.assignee_id) == (home.now + timedelta(hours=2), home.actor("jan").id)
    assert home.row(item).node == "step-2"
    home.pass_(days=1)
    home.work()
    assert [each.type for each in home.activities()] == ["call", "visit"]
    assert home.status(item) is Status.COMPLETED


def test_deals_into_one_for_deals_and_leads_into_one_for_leads(home: House) -> None:
    # SEQ-2, SEQ-3
    home.apply(CALL + WAITS, "Deals")
    home.apply(CALL + WAITS, "Leads", items="leads")
    deal, lead = home.deal(), home.lead()
    home.enroll(deal, name="Deals")
    home.enroll(lead, name="Leads")
    with pytest.raises(Refused, match=f"'Deals' is for deals, and lead {lead.id} is none"):
        home.enroll(lead, name="Deals")
    with pytest.raises(Refused, match=f"'Leads' is for leads, and deal {deal.id} is none"):
        home.enroll(deal, name="Leads")
    home.pass_(days=1)
    home.work()
    assert {(each.deal_id, each.lead_id) for each in home.activities()} == {(deal.id, None), (None, lead.id)}


def test_what_it_is_for_may_change_until_something_was_enrolled(home: House) -> None:
    # SEQ-4, SEQ-5: for good, also after the only item failed and was taken out
    home.apply(CALL)
    home.apply(CALL, items="leads")
    home.apply(MAIL)
    item = home.deal("Rury", home.person("Bez Adresu", None))
    home.enroll(item)
    home.work()
    assert home.status(item) is Status.FAILED
    leave(home.context, home.anna, "Warm", [item])
    with pytest.raises(Refused, match="is for deals for good"):
        home.apply(CALL, items="leads")
    home.apply(CALL)


def test_ten_steps_and_no_more(home: House) -> None:
    # SEQ-7
    home.apply(CALL * 10)
    with pytest.raises(Refused, match="at most 10 steps, this is the 11th"):
        home.apply(CALL * 11)


def test_nothing_is_enrolled_before_there_is_a_step(home: House) -> None:
    # SEQ-8
    home.apply("")
    item = home.deal()
    with pytest.raises(Refused, match="no steps"):
        home.enroll(item)
    home.apply(CALL)
    assert home.enroll(item).items == (item,)


def test_250_items_and_no_more(home: House) -> None:
    # SEQ-9, A1: those that are through count; one that is taken out frees its place
    home.apply(CALL)
    found = many(home, 251)
    home.enroll(*found[:249])
    with pytest.raises(Refused, match="at most 250 items and has 249, so 2 more do not fit"):
        home.enroll(*found[249:])
    assert home.enroll(found[249]).items == (found[249],)
    home.work()
    assert home.status(found[0]) is Status.COMPLETED
    with pytest.raises(Refused, match="has 250"):
        home.enroll(found[250])
    assert home.enroll(found[1]).items == (found[1],)  # once more: it has its place
    leave(home.context, home.anna, "Warm", [found[0]])
    assert home.enroll(found[250]).items == (found[250],)


def test_the_limits_can_be_set(database: Database, tmp_path: Path) -> None:
    home = house(database, tmp_path, sequences={"max_steps": 12, "max_items": 2})
    home.apply(CALL * 12)
    with pytest.raises(Refused, match="13th"):
        home.apply(CALL * 13)
    with pytest.raises(Refused, match="at most 2 items"):
        home.enroll(*many(home, 3))


def test_several_at_once_need_the_permission(home: House) -> None:
    # SEQ-30
    home.apply(CALL)
    found = many(home, 2)
    with pytest.raises(Refused, match="permission bulk"):
        home.enroll(*found, by=home.actor("jan"))
    assert home.enroll(found[0], by=home.actor("jan")).items == (found[0],)
    assert home.enroll(*found, by=home.anna).items == tuple(found)


def test_who_is_inside_is_left_out_and_the_others_go_in(home: House) -> None:
    home.apply(CALL + WAITS)
    first, second = many(home, 2)
    home.enroll(first)
    done = home.enroll(first, second)
    assert (done.items, dict(done.left_out)) == ((second,), {first: "is inside already"})


def test_all_or_none_of_a_bulk_go_in(home: House) -> None:
    home.apply(CALL + WAITS)
    found = many(home, 2)
    with home.context.db.write() as connection:
        deals.change(connection, found[1].id, removed_at=NOW)
    with pytest.raises(Refused, match=f"no deal {found[1].id} any more"):
        home.enroll(*found)
    assert overview.overview(home.context, "Warm").rows == []
    with pytest.raises(NotFound, match="no sequence 'Wram'; did you mean 'Warm'"):
        home.enroll(found[0], name="Wram")


# -- what is defined


def test_a_template_copy_is_its_own(home: House) -> None:
    # SEQ-6
    home.apply(CALL)
    home.apply(CALL, "Copy")
    home.apply(DRAFT, "Copy")
    with home.context.db.read() as connection:
        definitions = [
            flows.text(connection, each.id, each.version) for each in flows.every(connection, sequences.KINDS)
        ]
    assert ["draft" in text for text in definitions] == [True, False]


@pytest.mark.parametrize(
    ("step", "problem"),
    [
        (
            CALL + MAIL.replace("first_name", "frist_name"),
            r"step\[2\].body: {{ person.frist_name }} is not known; write first_name",
        ),
        (MAIL.replace("deal.title", "lead.title"), r"{{ lead.title }} is not known; known here: deal"),
        (MAIL.replace("{{ deal.title }}", "{{ deal }}"), "several things"),
        (MAIL.replace("}}!", "!"), "is no template in line 1"),
        (MAIL.replace("{{ deal.title }}", "{% include 'x' %}"), "unexpected tag 'include'"),
        (MAIL + 'sender = "ewa"\n', "no user 'ewa'; configured are: anna, jan"),
        (CALL + 'assignee = "ewa"\n', "no user 'ewa'"),
        ('[[step]]\ntype = "email"\ntemplate = "follow-up"\n', "no template 'follow-up'"),
        ('[[step]]\ntype = "field.set"\n', "field.set"),  # SEQ-44: structured communication only
    ],
)
def test_what_could_never_be_done_is_refused_when_it_is_applied(home: House, step: str, problem: str) -> None:
    with pytest.raises(Refused, match=problem):
        home.apply(step)
    with home.context.db.read() as connection:
        assert flows.every(connection, sequences.KINDS) == []


def test_an_edit_leaves_everybody_where_he_is(home: House) -> None:
    # A19
    home.apply(CALL + WAITS + CALL)
    item = home.deal()
    home.enroll(item)
    plan = sequences.read(home.context, home.folder / "Warm.toml")
    assert sequences.effect(plan).startswith("1 item stays at the step reached")
    home.apply(CALL.replace("call", "visit") + WAITS + DRAFT + CALL)
    home.pass_(days=1)
    home.work()
    assert [each.type for each in home.activities()] == ["visit"]
    assert home.row(item).node == "step-2"
    assert len(home.pulse()) == 1


def test_an_edit_that_takes_the_step_away_ends_the_run(home: House) -> None:
    home.apply(CALL + CALL.replace("call", "visit") + WAITS)
    item = home.deal()
    home.enroll(item)
    home.work()
    home.apply(CALL)
    home.pass_(days=1)
    home.work()
    assert home.status(item) is Status.COMPLETED, home.row(item)


def test_what_lacks_consent_is_said_when_it_is_applied(home: House) -> None:
    # SEQ-24: only where it sends by itself
    home.apply(CALL)
    assert sequences.remarks(home.context, home.anna, sequences.read(home.context, home.folder / "Warm.toml")) == []
    home.apply(CALL + MAIL)
    [remark] = sequences.remarks(home.context, home.anna, sequences.read(home.context, home.folder / "Warm.toml"))
    assert "anna has not consented" in remark
    home.consent()
    assert sequences.remarks(home.context, home.anna, sequences.read(home.context, home.folder / "Warm.toml")) == []


def test_a_sequence_with_items_inside_is_removed_only_when_that_is_confirmed(home: House) -> None:
    # A6, SEQ-36
    home.apply(CALL + WAITS)
    item = home.deal()
    home.enroll(item)
    with pytest.raises(Refused, match="1 item is inside"):
        sequences.remove(home.context, home.anna, "Warm", confirmed=False)
    sequences.remove(home.context, home.anna, "Warm", confirmed=True)
    home.pass_(days=1)
    home.work()
    assert home.activities() == []
    home.apply(CALL, items="leads")  # the name is free, and what it was for is forgotten
    assert overview.overview(home.context, "Warm").rows == []


# -- how a run ends


def test_marked_completed_the_rest_is_cancelled_for_good(home: House) -> None:
    # SEQ-37, SEQ-38, SEQ-40, SEQ-41, SEQ-42
    home.apply(MAIL + WAITS + CALL)
    home.consent()
    item, other = many(home, 2)
    home.enroll(item, other)
    home.pass_(hours=1)
    complete(home.context, home.actor("jan"), "Warm", [item], "odpowiedział telefonicznie")
    row = home.row(item)
    assert (row.status, row.reason, row.ended_by) == (Status.COMPLETED, "odpowiedział telefonicznie", "user:jan")
    assert row.ended_at == NOW + timedelta(hours=1)
    shape = overview.shape(row, "Warm")
    assert (shape["completed_at"], shape["completed_by"]) == (row.ended_at, "user:jan")
    assert {mail.state for mail in home.outbox()} == {"withdrawn", "pending"}
    assert len(home.pulse()) == 1
    with pytest.raises(Refused, match=f"deal {item.id} \\(completed\\)"):
        complete(home.context, home.anna, "Warm", [other, item])
    assert home.status(other) is Status.IN_PROGRESS  # all or none
    leave(home.context, home.anna, "Warm", [item])
    assert all(row.item != f"deal:{item.id}" for row in overview.overview(home.context, "Warm").rows)


def test_taken_out_what_is_pending_goes_and_the_tombstone_stays(home: House) -> None:
    # SEQ-35, A5
    home.apply(MAIL + WAITS + CALL)
    home.consent()
    item = home.deal()
    home.enroll(item)
    leave(home.context, home.anna, "Warm", [item], "nie chce")
    assert (home.status(item), home.row(item).reason) == (Status.REMOVED, "nie chce")
    home.pass_(days=2)
    home.work()
    assert ([mail.state for mail in home.outbox()], home.activities(), home.pulse()) == (["withdrawn"], [], [])
    with pytest.raises(Refused, match="not there"):
        leave(home.context, home.anna, "Warm", [item])
    assert home.enroll(item).items == (item,)


# -- what is seen


def test_the_overview_counts_and_filters(home: House) -> None:
    # SEQ-33, SEQ-34
    home.apply(CALL + WAITS)
    first, second, third = (
        home.deal(title, owner=owner) for title, owner in (("A", "anna"), ("B", "jan"), ("C", "jan"))
    )
    home.enroll(first, second, third)
    complete(home.context, home.anna, "Warm", [third])
    seen = overview.overview(home.context, "Warm")
    assert dict(seen.counts) == {Status.IN_PROGRESS: 2, Status.COMPLETED: 1, Status.FAILED: 0}
    assert [row.title for row in seen.rows] == ["A", "B", "C"]
    jan = home.actor("jan").id
    assert [row.title for row in overview.overview(home.context, "Warm", owner=jan).rows] == ["B", "C"]
    both = overview.overview(home.context, "Warm", Status.IN_PROGRESS, jan)
    assert ([row.title for row in both.rows], both.counts) == (["B"], seen.counts)
    assert overview.shape(both.rows[0], "Warm") | {"id": 0} == {
        "id": 0, "flow": "Warm", "item": f"deal:{second.id}", "title": "B", "owner": "jan", "status": "in_progress",
        "step": "step-1", "reason": "", "began_at": NOW, "enrolled_by": "command", "completed_at": None,
        "completed_by": None, "ended_at": None, "ended_by": None,
    }  # fmt: skip


def test_a_preview_shows_each_step_and_what_is_missing(home: House) -> None:
    # SEQ-31, SEQ-35
    reply = '[[step]]\ntype = "email"\nbody = "{{ deal.value }} {{ deal.currency }}?"\nin_thread = true\n'
    home.apply(CALL + DRAFT + WAITS + reply)
    item = home.deal("Pompy")
    call, draft, mail = overview.preview(home.context, "Warm", item)
    assert (call.type, call.what) == ("activity", "call")
    assert (draft.type, draft.after, draft.subject, draft.sender) == (
        "draft",
        "1d",
        "Szkic Pompy",
        "anna@firma.example",
    )
    assert draft.recipient == "pompy@klient.example"
    assert (mail.subject, mail.problem) == (
        None,
        "{{ deal.value }} has no value here; fill it in, or write {{ deal.value | default: '…' }}",
    )
    with home.context.db.write() as connection:
        deals.change(connection, item.id, value=1200, currency="PLN")
    mail = overview.preview(home.context, "Warm", item)[2]
    assert (mail.subject, mail.problem) == ("Re: Szkic Pompy", None)
    assert mail.text is not None
    assert mail.text.startswith("1200 PLN?")
    assert (home.outbox(), home.pulse(), overview.overview(home.context, "Warm").rows) == ([], [], [])


def test_items_to_enroll_are_found_by_a_part_of_their_title(home: House) -> None:
    # SEQ-28
    home.apply(CALL + WAITS)
    person = home.person()
    first, second, _ = (home.deal(title, person) for title in ("Pompy duże", "Pompy małe", "Zawory"))
    assert overview.candidates(home.context, "Warm", "pompy") == [(first.id, "Pompy duże"), (second.id, "Pompy małe")]
    home.enroll(first)
    assert overview.candidates(home.context, "Warm", "pompy") == [(second.id, "Pompy małe")]


def test_nobody_in_particular_may_do_what_the_operator_may(home: House) -> None:
    home.apply(CALL)
    assert len(home.enroll(*many(home, 2), by=Actor()).items) == 2


# -- together with others


def test_a_rule_enrolls_within_the_same_limits(database: Database, tmp_path: Path) -> None:
    # SEQ-43
    home = house(database, tmp_path, sequences={"max_items": 1})
    home.apply(CALL + WAITS)
    file = tmp_path / "rule.toml"
    file.write_text(
        'kind = "rule"\nname = "Hot"\non = "tag.added"\nwhere = { tag = "hot" }\n'
        'do = "sequence.enroll"\nwith = { sequence = "Warm" }\n',
        encoding="utf-8",
    )
    workflows.apply(home.context, home.anna, workflows.read(home.context, file))
    people = [home.person(email=f"{name}@klient.example") for name in ("a", "b")]
    first, second = (home.deal(f"D{person}", person) for person in people)
    for person in people:
        persons.add_tag(home.context, home.anna, "hot", person)
        home.run()
        home.pass_(minutes=1)
    assert home.row(first).enrolled_by.startswith("flow:")
    assert [row.item for row in overview.overview(home.context, "Warm").rows] == [f"deal:{first.id}"]
    with home.context.db.read() as connection:
        reasons = connection.execute(
            select(enrollment.c.reason).where(enrollment.c.status == "failed", enrollment.c.person_id == people[1])
        ).scalars()
        assert ["holds at most 1 item and" in reason for reason in reasons] == [True]
    assert second.id


def test_two_who_enroll_at_once_do_not_overfill_it(database: Database, tmp_path: Path) -> None:
    home = house(database, tmp_path, sequences={"max_items": 1})
    home.apply(CALL + WAITS)
    items = [home.deal(f"D{number}") for number in range(4)]

    def put(item: Item) -> str:
        try:
            return "in" if home.enroll(item).items else "out"
        except Refused:
            return "full"

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(put, items)) == ["full", "full", "full", "in"]
    assert len(overview.overview(home.context, "Warm").rows) == 1
