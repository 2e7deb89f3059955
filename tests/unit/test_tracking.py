"""Openings, clicks and unsubscribing: from a flow's letter through the real web app to the next step of a workflow."""

from __future__ import annotations

import logging
import re
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from litestar.testing import TestClient
from sqlalchemy import event, select, update

from mailcrm.app.flow_remarks import untracked
from mailcrm.app.tracking import judge_due
from mailcrm.app.unsubscribing import unsubscribe
from mailcrm.builtin.tracking_rule import allowed
from mailcrm.core.definitions import parse, to_flow
from mailcrm.core.hits import SETTLES
from mailcrm.core.tracked import Track, unsubscribing
from mailcrm.errors import Temporary
from mailcrm.store import events, permissions, suppressions, tables, tracks
from mailcrm.store.db import Database
from mailcrm.store.tracks import NewHit
from mailcrm.web import guesses
from mailcrm.web.app import create
from tests import house
from tests.flow_kit import Story
from tests.on_disk import synced
from tests.servers.process import wait_until

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
LETTER = """kind = "workflow"
name = "Letters"
[nodes.in]
on = "tag.added"
where = { tag = "go" }
next = "write"
[nodes.write]
do = "mail.send"
next = "end"
[nodes.write.with]
subject = "Offer"
html = '<p><a href="https://firma.example/a?x=1&amp;y=2">A</a> <a href="https://firma.example/b">B</a></p>'
sender = "anna"
[nodes.end]
end = "all"
"""
SEEN = """kind = "workflow"
name = "Seen %(on)s %(tag)s"
[nodes.in]
on = "%(on)s"
where = { %(where)s }
next = "seen"
[nodes.seen]
do = "tag.add"
with = { tag = "%(tag)s" }
next = "end"
[nodes.end]
end = "all"
"""
FIRST, SECOND = "https://firma.example/a?x=1&y=2", "https://firma.example/b"


@dataclass
class Site:
    """A flow's letter that Ewa got a minute ago, and the web app."""

    story: Story
    client: Any
    ewa: int
    flow: int

    def token(self, kind: str, *, url: str | None = None, hidden: bool = False) -> str:
        with self.story.db.read() as connection:
            query = select(tables.track.c.token).where(tables.track.c.kind == kind, tables.track.c.hidden.is_(hidden))
            return str(connection.execute(query if url is None else query.where(tables.track.c.url == url)).scalar())

    def get(self, path: str, agent: str = FIREFOX, method: str = "GET", **headers: str) -> Any:
        given = {"user-agent": agent, **headers}
        return self.client.request(method, path, headers=given, follow_redirects=False)

    def open(self, agent: str = FIREFOX, **headers: str) -> None:
        assert self.get(f"/o/{self.token('open')}.gif", agent, **headers).status_code == 200

    def click(self, url: str, agent: str = FIREFOX, **headers: str) -> Any:
        return self.get(f"/c/{self.token('click', url=url)}", agent, **headers)

    def hits(self) -> list[Any]:
        with self.story.db.read() as connection:
            return list(connection.execute(select(tables.hit).order_by(tables.hit.c.id)))

    def stored(self, count: int) -> None:
        wait_until(lambda: len(self.hits()) == count, what=f"{count} hits")

    def settle(self) -> list[tuple[str, str, str | None]]:
        """Time passes until hits are judged and flows told; gives kind, grade and URL of the events."""
        self.story.now += SETTLES
        while judge_due(self.story.context):
            pass
        self.story.run()
        return self.told()

    def told(self) -> list[tuple[str, str, str | None]]:
        with self.story.db.read() as connection:
            kinds = ("mail.opened", "link.clicked")
            return [
                (each.kind, each.data["grade"], each.data["url"])
                for each in reversed(events.recent(connection))
                if each.kind in kinds
            ]


@contextmanager
def serve(story: Story) -> Iterator[Any]:
    with TestClient(create(story.context, lambda key: False, dict), base_url="http://127.0.0.1") as client:
        yield client


@pytest.fixture
def story(migrated_sqlite: Path, tmp_path: Path) -> Iterator[Story]:
    database = Database(f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'test.db')}")
    yield Story(database, tmp_path)
    database.close()


def permit(story: Story, person: int, *, tracking: bool) -> None:
    with story.db.write() as connection:
        permissions.grant(connection, person, "consent", "form", "a form", tracking, "user:anna", story.now)


@contextmanager
def told_of(story: Story) -> Iterator[Site]:
    ewa = story.person("Ewa", emails=("ewa@klient.example",))
    permit(story, ewa, tracking=True)
    flow = story.flow(LETTER)
    story.tagged(ewa, "go")
    story.run()
    with story.db.write() as connection:
        row = connection.execute(select(tables.outbox)).one()
        url, track = unsubscribing("https://crm.firma.example", next(tracks.tokens()))
        tracks.put(connection, row.id, [track])
        assert url.endswith(track.token)
        connection.execute(update(tables.outbox).values(state="sent", sent_at=story.now))
    story.now += timedelta(minutes=1)
    with serve(story) as client:
        yield Site(story, client, ewa, flow)


@pytest.fixture
def site(story: Story) -> Iterator[Site]:
    with told_of(story) as found:
        yield found


@pytest.fixture
def anywhere(database: Database, tmp_path: Path) -> Iterator[Site]:
    """A site on a database of each kind."""
    with told_of(Story(database, tmp_path)) as found:
        yield found


def test_a_letter_leads_over_us(site: Site) -> None:
    with site.story.db.read() as connection:
        row = connection.execute(select(tables.outbox)).one()
    mail = message_from_bytes(row.content, policy=policy.default)
    html = mail.get_body(("html",)).get_content()  # type: ignore[union-attr]
    links = re.findall(r'href="https://crm\.firma\.example(/c/[0-9a-f]{32})"', html)
    assert [site.get(link).headers["location"] for link in links] == [FIRST, SECOND, FIRST]
    image = re.search(r'src="https://crm\.firma\.example(/o/[0-9a-f]{32}\.gif)"', html)
    assert image
    assert site.get(image[1]).content.startswith(b"GIF89a")
    text = mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert "/c/" not in text
    assert "firma.example/b" in text


# WF-T15
def test_an_opening_starts_a_workflow(anywhere: Site) -> None:
    anywhere.story.flow(SEEN % {"on": "mail.opened", "where": 'flow = "Letters"', "tag": "opened"})
    anywhere.open()
    anywhere.stored(1)
    assert anywhere.settle() == [("mail.opened", "human", None)]
    assert "opened" in anywhere.story.tags(anywhere.ewa)
    with anywhere.story.db.read() as connection:
        [told] = events.recent(connection, kind="mail.opened")
        sent = connection.execute(select(tables.outbox.c.message_id)).scalar_one()
    assert told.data == {"message": sent, "flow": "Letters", "node": "write", "url": None, "grade": "human"}
    assert told.person == anywhere.ewa
    assert told.at == anywhere.story.now - SETTLES


# WF-T16
def test_a_click_starts_a_workflow(anywhere: Site) -> None:
    anywhere.story.flow(SEEN % {"on": "link.clicked", "where": f'url = "{FIRST}"', "tag": "clicked"})
    anywhere.story.flow(SEEN % {"on": "link.clicked", "where": f'url = "{SECOND}"', "tag": "other"})
    answer = anywhere.click(FIRST)
    assert (answer.status_code, answer.headers["location"]) == (302, FIRST)
    assert "set-cookie" not in answer.headers
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert len(anywhere.hits()) == 1  # stored before the answer
    assert anywhere.settle() == [("link.clicked", "human", FIRST)]
    assert "clicked" in anywhere.story.tags(anywhere.ewa)
    assert "other" not in anywhere.story.tags(anywhere.ewa)


def test_what_machines_do_starts_only_what_asks_for_it(site: Site) -> None:
    site.story.flow(SEEN % {"on": "mail.opened", "where": 'flow = "Letters"', "tag": "by default"})
    site.story.flow(SEEN % {"on": "mail.opened", "where": 'grade = "machine"', "tag": "machines"})
    site.story.flow(SEEN % {"on": "link.clicked", "where": 'grade = ["human", "unknown"]', "tag": "doubtful"})
    site.open("Mozilla/5.0")
    site.click(FIRST, "Own/1.0")
    site.stored(2)
    assert sorted(site.settle()) == [("link.clicked", "unknown", FIRST), ("mail.opened", "machine", None)]
    assert set(site.story.tags(site.ewa)) >= {"machines", "doubtful"}
    assert "by default" not in site.story.tags(site.ewa)
    reasons = {row.grade: row.reasons for row in site.hits()}
    assert reasons["machine"] == "Apple's proxy loads the images of every mail"
    assert reasons["unknown"] == "the agent is not known"


def test_who_follows_all_links_or_the_hidden_one_is_a_machine(anywhere: Site) -> None:
    anywhere.click(FIRST)
    anywhere.story.now += timedelta(seconds=3)
    anywhere.click(SECOND)
    anywhere.story.now += timedelta(seconds=3)
    hidden = anywhere.get(f"/c/{anywhere.token('click', hidden=True)}")
    assert hidden.status_code == 302
    told = anywhere.settle()
    assert told == [("link.clicked", "machine", FIRST), ("link.clicked", "machine", SECOND)]  # the hidden one untold
    assert all("hidden link" in row.reasons and "all links" in row.reasons for row in anywhere.hits())


def test_a_hit_is_judged_by_what_follows_it(site: Site) -> None:
    site.click(FIRST)
    site.story.now += timedelta(seconds=9)
    assert judge_due(site.story.context) == 0
    site.click(SECOND)
    assert [row.grade for row in site.hits()] == ["unknown", "unknown"]
    assert {grade for _, grade, _ in site.settle()} == {"machine"}


def test_the_same_person_again_within_the_hour_is_told_once(anywhere: Site) -> None:
    for _ in range(3):
        anywhere.click(FIRST)
        anywhere.settle()
    assert len(anywhere.hits()) == 3
    assert len(anywhere.told()) == 1
    anywhere.story.now += timedelta(hours=1)
    anywhere.click(FIRST)
    assert len(anywhere.settle()) == 2


@pytest.mark.parametrize("header", ["Sec-Purpose", "Purpose", "X-Moz"])
def test_what_is_fetched_ahead_counts_for_nothing(site: Site, header: str) -> None:
    site.open(**{header: "prefetch"})
    assert site.click(FIRST, **{header: "prefetch;prerender"}).headers["location"] == FIRST
    for path in (f"/o/{site.token('open')}.gif", f"/c/{site.token('click', url=FIRST)}"):
        answer = site.get(path, method="HEAD")
        assert answer.content == b""
        assert answer.status_code in (200, 302)
    site.click(SECOND)
    assert [row.token for row in site.hits()] == [site.token("click", url=SECOND)]


def test_openings_are_answered_before_they_are_stored(site: Site) -> None:
    with site.story.db.write():  # nobody else can write now
        site.open()
        assert site.hits() == []
    site.stored(1)


def test_openings_of_one_moment_are_stored_together(site: Site) -> None:
    commits: list[object] = []
    event.listen(site.story.db.engine, "commit", commits.append)
    for number in range(30):
        site.open(f"{FIREFOX} {number}")
    site.stored(30)
    assert len(commits) < 30


def test_openings_that_wait_are_stored_when_the_app_stops(site: Site) -> None:
    with serve(site.story) as client:
        client.get(f"/o/{site.token('open')}.gif", headers={"user-agent": FIREFOX})
    assert len(site.hits()) == 1


def test_an_image_that_is_asked_for_without_end_fills_nothing(site: Site) -> None:
    seen = NewHit(site.token("open"), site.story.now, FIREFOX, ())
    with site.story.db.write() as connection:
        assert [tracks.note(connection, "open", [seen]) for _ in range(tracks.MOST + 1)] == [1] * tracks.MOST + [0]


# Attack: token guessing.
def test_guessing_tokens_shows_nothing_and_ends_soon(site: Site) -> None:
    unknown = "0" * 32
    assert site.get(f"/o/{unknown}.gif").content == site.get(f"/o/{site.token('open')}.gif").content
    for path in ("/o/x.gif", f"/o/{unknown}", f"/o/{unknown}.png", "/o/", "/c/x", f"/c/{unknown}", f"/u/{unknown}"):
        assert site.get(path).status_code == 404, path
    assert site.get(f"/c/{site.token('open')}").status_code == 404
    assert site.get(f"/u/{site.token('open')}").status_code == 404
    assert site.get(f"/c/{site.token('unsubscribe')}").status_code == 404
    codes = [site.get(f"/c/{number:032x}").status_code for number in range(guesses.MOST + 1)]
    assert codes[0] == 404
    assert codes[-1] == 429
    assert site.get(f"/u/{unknown}").status_code == 429
    assert site.client.post(f"/u/{site.token('unsubscribe')}").status_code == 200  # nobody is kept from unsubscribing
    site.stored(1)


def test_a_client_that_guessed_may_ask_again_in_the_next_minute() -> None:
    now = [0.0]
    counted = guesses.Guesses(lambda: now[0])
    for number in range(guesses.MOST):
        assert not counted.too_many("a")
        counted.wrong("a")
        counted.wrong(f"other {number}")
    assert counted.too_many("a")
    assert not counted.too_many("b")
    now[0] = 60.0
    assert not counted.too_many("a")


def test_guesses_of_many_clients_take_bounded_room() -> None:
    counted = guesses.Guesses(lambda: 0.0)
    for number in range(10_500):
        counted.wrong(str(number))
    assert len(counted._counts) == 10_000


# Attack: open redirect, header injection in the target.
def test_a_click_leads_only_where_the_database_says(site: Site) -> None:
    path = f"/c/{site.token('click', url=FIRST)}"
    for extra in ("?url=https://evil.example", "?next=//evil.example", "?u=1#https://evil.example"):
        assert site.get(path + extra).headers["location"] == FIRST
    for odd in (
        f"{path}/https://evil.example",
        f"{path}%0d%0aLocation:%20https://evil.example",
    ):
        answer = site.get(odd)
        assert answer.status_code in (404, 405), odd
        assert "location" not in answer.headers
    assert site.get(path, **{"Host": "evil.example", "X-Forwarded-Host": "evil.example"}).headers["location"] == FIRST


@pytest.mark.parametrize("url", ["javascript:alert(1)", "//evil.example", "https://a.example/\r\nX: y", "https://a b/"])
def test_what_should_not_be_in_the_database_is_no_target(site: Site, url: str) -> None:
    with site.story.db.write() as connection:
        connection.execute(update(tables.track).where(tables.track.c.url == SECOND).values(url=url))
    answer = site.get(f"/c/{site.token('click', url=url)}")
    assert answer.status_code == 404
    assert "location" not in answer.headers


def test_no_cookie_is_ever_set(site: Site) -> None:
    for path in (
        f"/o/{site.token('open')}.gif",
        f"/c/{site.token('click', url=FIRST)}",
        f"/u/{site.token('unsubscribe')}",
    ):
        assert "set-cookie" not in site.get(path).headers


def test_hits_keep_no_address(site: Site) -> None:
    site.get(f"/c/{site.token('click', url=FIRST)}", **{"x-forwarded-for": "203.0.113.7"})
    [row] = site.hits()
    assert not any("203.0.113" in str(value) or "testclient" in str(value) for value in row)


# -- unsubscribing


def suppressed(site: Site) -> Any:
    with site.story.db.read() as connection:
        context = site.story.context
        found = suppressions.among(connection, context.secret, ["ewa@klient.example"], site.story.now)
    return found.get("ewa@klient.example")


def unsubscribed(site: Site) -> list[Any]:
    with site.story.db.read() as connection:
        return events.recent(connection, kind="mail.unsubscribed")


# Attack: a scanner, a prefetching browser or another site's form unsubscribes.
def test_looking_unsubscribes_nobody(site: Site) -> None:
    path = f"/u/{site.token('unsubscribe')}"
    for method in ("GET", "HEAD", "OPTIONS", "GET"):
        site.get(path, method=method)
    site.get(f"{path}?confirm=1&List-Unsubscribe=One-Click")
    assert suppressed(site) is None
    assert unsubscribed(site) == []
    assert site.client.post("/u/" + "0" * 32).status_code == 404
    assert suppressed(site) is None


@pytest.mark.parametrize(
    "body",
    [
        {"data": {"List-Unsubscribe": "One-Click"}},
        {"files": {"List-Unsubscribe": (None, "One-Click")}},
        {},
        {"content": b"\xff\xfe"},
    ],
)
def test_one_click_unsubscribes(site: Site, body: dict[str, Any]) -> None:
    answer = site.client.post(f"/u/{site.token('unsubscribe')}", follow_redirects=False, **body)
    assert answer.status_code == 200  # RFC 8058 section 3.1: no redirect
    assert "ewa@klient.example" in answer.text
    found = suppressed(site)
    assert (found.reason, found.source) == ("unsubscribe", "page")
    [told] = unsubscribed(site)
    with site.story.db.read() as connection:
        sent = connection.execute(select(tables.outbox.c.message_id)).scalar_one()
    assert told.data == {"message": sent, "reason": "page", "until": None}
    assert told.person == site.ewa


def test_unsubscribing_again_changes_nothing(anywhere: Site) -> None:
    path = f"/u/{anywhere.token('unsubscribe')}"
    for _ in range(3):
        assert anywhere.client.post(path).status_code == 200
    assert len(unsubscribed(anywhere)) == 1
    assert "Unsubscribe</button>" not in anywhere.get(path, **{"accept-language": "en"}).text


def test_unsubscribing_from_two_mails_at_once_is_one_wish(anywhere: Site) -> None:
    first, second = [unsubscribing("https://crm.firma.example", next(tracks.tokens()))[1] for _ in range(2)]
    with anywhere.story.db.write() as connection:
        mail = connection.execute(select(tables.outbox.c.id)).scalar_one()
        tracks.put(connection, mail, [first, second])
    both = threading.Barrier(2, timeout=10)

    def press(token: str) -> object:
        both.wait()
        return unsubscribe(anywhere.story.context, token)

    with ThreadPoolExecutor(2) as pool:
        assert all(each.ended for each in pool.map(press, (first.token, second.token)))  # type: ignore[attr-defined]
    assert len(unsubscribed(anywhere)) == 1


def test_the_page_says_who_stops_writing_to_whom(site: Site) -> None:
    path = f"/u/{site.token('unsubscribe')}"
    english = site.get(path, **{"accept-language": "en-GB,pl;q=0.5"})
    assert '<html lang="en">' in english.text
    assert "neither Anna Nowak nor a colleague will send automatic mail to <b>ewa@klient.example</b>" in english.text
    assert '<form method="post"><button class="act">Unsubscribe</button></form>' in english.text
    polish = site.get(path)
    assert '<html lang="pl">' in polish.text
    assert "Wypisz mnie" in polish.text
    assert "default-src 'none'" in polish.headers["content-security-policy"]
    assert "nie działa" in site.get("/u/" + "0" * 32, **{"accept-language": "pl"}).text
    assert "Wypisano" in site.client.post(path, headers={"accept-language": "pl"}).text


def test_who_is_told_that_he_is_out_is_out_after_a_power_cut_too(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/u/{site.token('unsubscribe')}"
    on_disk = synced(monkeypatch)
    site.get(path)
    assert on_disk == []
    assert site.client.post(path).status_code == 200
    assert on_disk == [f"{tmp_path}/test.db-wal"]


def test_no_token_is_in_the_log(site: Site, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    caplog.set_level(logging.DEBUG)
    unknown = "c0ffee" * 5 + "00"
    image, end = f"/o/{site.token('open')}.gif", f"/u/{site.token('unsubscribe')}"
    link = f"/c/{site.token('click', url=FIRST)}"
    for path in (image, link, end, f"/c/{unknown}", f"/u/{unknown}", f"/o/{unknown}.gif"):
        for method in ("GET", "HEAD", "POST"):
            site.get(path, method=method)
    site.stored(2)
    monkeypatch.setattr(tracks, "target", Mock(side_effect=Temporary("the database is away")))
    monkeypatch.setattr(tracks, "addressee", Mock(side_effect=RuntimeError("broken")))
    assert site.get(link).status_code == 503
    assert site.client.post(end).status_code == 500
    assert "broken" in caplog.text
    logged = [each.getMessage() for each in caplog.records if each.name not in ("httpx", "httpcore")]  # the client's
    tokens = [re.findall("[0-9a-f]{32}", path)[0] for path in (image, link, end)]
    assert [token for token in (*tokens, unknown) if token in "".join(logged)] == []


# -- whether a mail is tracked at all


def may(story: Story, sender: str, person: int | None, **step: Any) -> bool:
    with story.db.read() as connection:
        return allowed(connection, story.context.config, sender, person, step)


def test_nothing_is_tracked_without_permission_that_covers_it(story: Story) -> None:
    ewa = story.person()
    assert not may(story, "anna", ewa)
    permit(story, ewa, tracking=False)
    assert not may(story, "anna", ewa, track=True)
    permit(story, ewa, tracking=True)
    assert may(story, "anna", ewa)
    assert not may(story, "anna", ewa, track=False)
    assert not may(story, "anna", None)
    assert not may(story, "nobody", ewa)
    with story.db.write() as connection:
        permissions.withdraw(connection, ewa, "call", "said so", "user:anna", story.now)
    assert not may(story, "anna", ewa)


@pytest.mark.parametrize(
    ("when", "rep", "step", "expected"),
    [
        ("always", True, {}, True),
        ("always", False, {}, False),
        ("always", True, {"track": False}, False),
        ("never", True, {"track": True}, False),
        ("permission", True, {"track": True}, False),
    ],
)
def test_the_operator_and_the_rep_have_their_say(
    migrated_sqlite: Path, tmp_path: Path, when: str, rep: bool, step: dict[str, bool], expected: bool
) -> None:
    database = Database(f"sqlite:///{migrated_sqlite}")
    users = {"anna": {"email": "anna@firma.example", "tracking": rep}}
    config = house.configuration.parse({"users": users, "tracking": {"when": when}}, base=tmp_path)
    with database.read() as connection:
        assert allowed(connection, config, "anna", None, step) is expected
    database.close()


def test_an_untracked_letter_has_no_token(story: Story) -> None:
    ewa = story.person("Ewa", emails=("ewa@klient.example",))
    story.flow(LETTER)
    story.tagged(ewa, "go")
    story.run()
    with story.db.read() as connection:
        assert connection.execute(select(tables.track)).all() == []
        row = connection.execute(select(tables.outbox)).one()
    html = message_from_bytes(row.content, policy=policy.default).get_body(("html",)).get_content()  # type: ignore[union-attr]
    assert 'href="https://firma.example/b"' in html
    assert "crm.firma.example" not in html


def test_a_track_of_every_kind_is_kept_as_it_is(site: Site) -> None:
    with site.story.db.read() as connection:
        rows = connection.execute(select(tables.track).order_by(tables.track.c.position)).all()
    kept = {Track(row.token, row.kind, row.url, row.position, row.hidden) for row in rows}
    assert {(each.kind, each.url, each.position, each.hidden) for each in kept} == {
        ("click", FIRST, 0, False),
        ("click", SECOND, 1, False),
        ("click", FIRST, 2, True),
        ("open", None, 0, False),
        ("unsubscribe", None, 0, False),
    }
    assert all(re.fullmatch("[0-9a-f]{32}", each.token) for each in kept)


REMARK = "nodes.in: mail.opened will not happen: "


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({}, "no recipient's permission covers tracking yet"),
        ({"tracking": {"when": "never"}}, 'tracking.when is "never"'),
        ({"tracking": {"when": "always"}}, None),
        ({"users": {"anna": {"email": "anna@firma.example", "tracking": False}}}, "no user's mail is tracked"),
    ],
)
def test_applying_says_what_waits_in_vain(story: Story, tmp_path: Path, settings: dict[str, Any], why: str) -> None:
    config = house.configuration.parse({**house.SETTINGS, "mailboxes": {}, **settings}, base=tmp_path)
    known = story.context.registry
    flow = to_flow(
        parse(SEEN % {"on": "mail.opened", "where": "", "tag": "x"}, "test.toml", known), known, id=1, version=1
    )
    with story.db.read() as connection:
        said = untracked(connection, config, flow, known.triggers)
    assert [each.startswith(REMARK + str(why)) for each in said] == ([True] if why else [])
    permit(story, story.person(), tracking=True)
    with story.db.read() as connection:
        assert (untracked(connection, config, flow, known.triggers) == []) is (not settings or why is None)
