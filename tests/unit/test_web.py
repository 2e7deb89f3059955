"""The choice page, the delivery hook and what operators ask, through the whole app."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient
from sqlalchemy import insert, select, update

from mailcrm import config as configuration
from mailcrm.app.ask import page_of
from mailcrm.app.choose import deal_closed
from mailcrm.app.context import Context
from mailcrm.store import choices, tables
from mailcrm.store.db import Database
from mailcrm.store.migrate import upgrade
from mailcrm.web.app import create
from tests.house import NOW, SETTINGS, build
from tests.on_disk import synced

SECRET = b"not so secret"


@dataclass
class Site:
    """The app, and what it was told to wake."""

    context: Context
    client: Any = None
    woken: list[str] = field(default_factory=list)
    health: dict[str, str] = field(default_factory=lambda: {"watch": "ok"})

    def wake(self, key: str) -> bool:
        self.woken.append(key)
        return key in self.context.config.mailboxes

    def page(self) -> str:
        with self.context.db.read() as connection:
            return page_of(self.context, choices.get(connection, 1)).removeprefix("https://crm.firma.example")

    def choice(self) -> Any:
        with self.context.db.read() as connection:
            return choices.get(connection, 1)

    def ring(self, body: bytes, **headers: str) -> int:
        code: int = self.client.post("/hooks/delivery", content=body, headers=headers).status_code
        return code


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    database = Database(f"sqlite:///{tmp_path / 'test.db'}")
    upgrade(database)
    with serve(database, tmp_path) as found:
        yield found
    database.close()


@contextmanager
def serve(database: Database, tmp_path: Path) -> Iterator[Site]:
    context = build(database, tmp_path)
    with database.write() as connection:
        connection.execute(insert(tables.pipeline).values(id=1, name="P"))
        connection.execute(insert(tables.stage).values(id=1, pipeline_id=1, name="Offer", position=1))
        for number, title in ((1, "Dach <b>hali</b>"), (2, "Garaż")):
            connection.execute(
                insert(tables.deal).values(
                    id=number, title=title, stage_id=1, status="open", value=12000, currency="PLN",
                    created_by="t", created_at=NOW,
                )
            )  # fmt: skip
        connection.execute(
            insert(tables.thread).values(id=1, subject="Oferta <script>", first_at=NOW, last_at=NOW, link="choice")
        )
        connection.execute(
            insert(tables.message).values(
                id=1, identity="i", thread_id=1, kind="human", kind_rule="r", direction="in", from_name="Ewa",
                from_email="ewa@klient.example", recipients={}, subject="Oferta", date=NOW, received_at=NOW,
                stored_at=NOW, size=1, text="Dzień dobry <img src=x>", historic=False,
            )
        )  # fmt: skip
        anna = connection.execute(select(tables.user.c.id).where(tables.user.c.key == "anna")).scalar_one()
        choices.open_choice(connection, thread_id=1, deals=[1, 2], now=NOW, user_id=anna)
    found = Site(context)
    with TestClient(create(context, found.wake, lambda: found.health), base_url="http://127.0.0.1") as client:
        found.client = client
        yield found


def test_looking_changes_nothing(site: Site) -> None:
    for method in ("GET", "HEAD", "GET", "OPTIONS"):
        site.client.request(method, site.page())
        site.client.request(method, site.page() + "?n=2&always=1")
    assert site.choice().state == "open"
    assert site.client.head(site.page()).content == b""


def test_the_page_shows_a_button_for_each_deal(site: Site) -> None:
    page = site.client.get(site.page() + "?n=2")
    assert page.status_code == 200
    text = page.text
    assert re.findall(r'<button name="n" value="(\d)"', text) == ["1", "2", "0"]
    assert 'value="2" class="picked" autofocus' in text
    assert 'type="checkbox" name="always"' in text
    for shown in ("Garaż", "Offer", "12\u00a0000,00 PLN", "Ewa", "2026-11-22 10:00"):
        assert shown in text, shown
    assert "<script" not in text
    assert "<img" not in text
    assert "<b>hali" not in text


def test_the_page_keeps_to_itself(site: Site) -> None:
    page = site.client.get(site.page())
    style = re.search(r"<style>(.*?)</style>", page.text, re.DOTALL)
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert page.headers["content-security-policy"] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["x-content-type-options"] == "nosniff"
    for place in ("/q/forged", "/readyz", "/healthz"):
        assert "content-security-policy" in site.client.get(place).headers, place


@pytest.mark.parametrize(
    ("accepted", "language", "words"),
    [
        ("", "pl", "Do której szansy"),
        ("de, en-GB;q=0.8, pl;q=0.5", "en", "Which deal does this thread belong to?"),
        ("pl-PL,pl;q=0.9,en;q=0.8", "pl", "Do której szansy"),
    ],
)
def test_the_page_speaks_the_browsers_language(site: Site, accepted: str, language: str, words: str) -> None:
    text = site.client.get(site.page(), headers={"accept-language": accepted}).text
    assert f'<html lang="{language}">' in text
    assert words in text


def test_the_language_that_the_rep_chose_comes_before_the_browsers(site: Site) -> None:
    chosen = {**SETTINGS["users"], "anna": {**SETTINGS["users"]["anna"], "language": "en"}}
    config = configuration.parse({**SETTINGS, "users": chosen}, base=Path(site.context.config.base))
    with TestClient(create(replace(site.context, config=config), site.wake, dict)) as client:
        text = client.get(site.page(), headers={"accept-language": "pl"}).text
    assert '<html lang="en">' in text


# DATA-22
def test_a_button_answers(site: Site) -> None:
    page = site.client.post(site.page(), data={"n": "2", "always": "1"})
    assert page.status_code == 200
    assert page.history[0].status_code == 303
    assert "2 – Garaż" in page.text
    question = site.choice()
    assert (question.answer, question.answered_by, question.answered_via) == (2, "anna", "page")


def test_an_answer_survives_a_power_cut(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_disk = synced(monkeypatch)
    assert site.client.post(site.page(), data={"n": "2"}, follow_redirects=False).status_code == 303
    assert on_disk == [f"{tmp_path}/test.db-wal"]


def test_none_is_an_answer_even_with_the_box_ticked(site: Site) -> None:
    assert "pozostaje bez szansy" in site.client.post(site.page(), data={"n": "0", "always": "1"}).text
    assert (site.choice().state, site.choice().answer) == ("answered", None)


def test_the_second_answer_changes_nothing_and_is_told(site: Site) -> None:
    site.client.post(site.page(), data={"n": "2"})
    page = site.client.post(site.page(), data={"n": "1"})
    assert page.status_code == 409
    assert "nic nie zmieniono" in page.text
    assert site.choice().answer == 2


def test_two_at_once_get_one_answer(database: Database, tmp_path: Path) -> None:
    codes: list[int] = []
    with serve(database, tmp_path) as site:

        def press(number: int) -> None:
            reply = site.client.post(site.page(), data={"n": str(number)}, follow_redirects=False)
            codes.append(reply.status_code)

        threads = [threading.Thread(target=press, args=(1 + n % 2,)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    assert sorted(codes) == [303] + [409] * 5


@pytest.mark.parametrize("data", [{}, {"n": "3"}, {"n": "x"}, {"n": "-1"}, {"always": "1"}])
def test_an_impossible_answer_is_refused(site: Site, data: dict[str, str]) -> None:
    assert site.client.post(site.page(), data=data).status_code == 400
    assert site.choice().state == "open"


def test_a_deal_that_closed_is_not_offered_nor_taken(site: Site) -> None:
    with site.context.db.write() as connection:
        connection.execute(update(tables.deal).where(tables.deal.c.id == 1).values(status="won"))
        deal_closed(connection, 1, NOW)
    assert re.findall(r'<button name="n" value="(\d)"', site.client.get(site.page()).text) == ["2", "0"]
    page = site.client.post(site.page(), data={"n": "1"})
    assert page.status_code == 409
    assert "nie jest już otwarta" in page.text
    with site.context.db.write() as connection:
        connection.execute(update(tables.deal).where(tables.deal.c.id == 2).values(status="won"))
        deal_closed(connection, 2, NOW)
    assert "nieaktualne" in site.client.get(site.page()).text


def test_a_forged_token_opens_nothing(site: Site) -> None:
    good = site.page()
    for token in (good[:-1] + ("0" if good[-1] != "0" else "1"), good.replace("/q/1.", "/q/2."), "/q/x", "/q/%00"):
        assert site.client.get(token).status_code == 404
        assert site.client.post(token, data={"n": "1"}).status_code == 404
    assert site.choice().state == "open"


def test_a_large_body_is_refused(site: Site) -> None:
    assert site.client.post(site.page(), data={"n": "1" * 100_000}).status_code == 413
    assert site.ring(b"x" * 100_000) == 413


def signed(body: bytes, secret: bytes = SECRET) -> str:
    return "sha256=" + hmac.digest(secret, body, hashlib.sha256).hex()


def test_a_signed_hook_wakes_the_mailbox(site: Site) -> None:
    body = b'{"mailbox": "anna"}'
    assert site.ring(body, **{"X-Mailcrm-Signature": signed(body)}) == 202
    assert site.woken == ["anna"]


def test_a_mailbox_that_another_process_reads_is_no_fault(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Site, "wake", lambda _self, _key: False)
    with TestClient(create(site.context, site.wake, dict), base_url="http://127.0.0.1") as site.client:
        for name, code in (("anna", 202), ("anna@firma.example", 202), ("nobody", 404)):
            body = json.dumps({"mailbox": name}).encode()
            assert site.ring(body, **{"X-Mailcrm-Signature": signed(body)}) == code


@pytest.mark.parametrize("user", ["anna@firma.example", "A.Nowak@firma.example", "anna"])
def test_dovecots_push_wakes_the_users_mailbox(site: Site, user: str) -> None:
    body = json.dumps({"user": user, "event": "messageNew", "folder": "INBOX", "imap-uid": 7, "unseen": 1}).encode()
    assert site.ring(body, authorization="Bearer not so secret") == 202
    basic = base64.b64encode(b"dovecot:not so secret").decode()
    put = site.client.put("/hooks/delivery", content=body, headers={"authorization": f"Basic {basic}"})
    assert put.status_code == 202
    assert site.woken == ["anna", "anna"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Mailcrm-Signature": signed(b"other")},
        {"X-Mailcrm-Signature": signed(b'{"mailbox": "anna"}', b"wrong")},
        {"X-Mailcrm-Signature": "sha256="},
        {"X-Mailcrm-Signature": "sha256=x", "authorization": "Bearer not so secret"},
        {"authorization": "Bearer wrong"},
        {"authorization": "Bearer"},
        {"authorization": "not so secret"},
        {"authorization": "Basic !!!"},
        {"authorization": "Basic " + base64.b64encode(b"not so secret").decode()},
    ],
)
def test_an_unsigned_hook_is_refused(site: Site, headers: dict[str, str]) -> None:
    assert site.ring(b'{"mailbox": "anna"}', **headers) == 401
    assert site.woken == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"mailbox": "nobody"}', 404),
        (b"{}", 400),
        (b"", 400),
        (b"[1]", 400),
        (b'{"mailbox": 7}', 400),
        (b"\xff\xfe", 400),
        (b"[" * 10_000, 400),
    ],
)
def test_a_hook_that_makes_no_sense(site: Site, body: bytes, code: int) -> None:
    assert site.ring(body, **{"X-Mailcrm-Signature": signed(body)}) == code


def test_operators_see_what_is_wrong(site: Site) -> None:
    assert site.client.get("/healthz").text == "ok\n"
    assert (site.client.get("/readyz").status_code, site.client.get("/readyz").text) == (200, "ok\n")
    site.health["watch"] = "login refused for anna"
    assert site.client.get("/readyz").status_code == 503
    assert site.client.get("/readyz").text == "watch: login refused for anna\n"


def test_figures_for_prometheus(site: Site) -> None:
    reply = site.client.get("/metrics")
    assert reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    lines = reply.text.splitlines()
    assert "mailcrm_messages 1" in lines
    assert 'mailcrm_choices{state="open"} 1' in lines
    assert "mailcrm_quarantine 0" in lines
    assert 'mailcrm_mailbox{mailbox="anna",state="new"} 1' in lines
    assert all(re.fullmatch(r'# (HELP|TYPE) \w+ .+|\w+(\{(\w+="[^"]*",?)+\})? \d+', line) for line in lines)


def test_a_choice_of_nobody_can_be_answered_too(site: Site) -> None:
    with site.context.db.write() as connection:
        connection.execute(update(tables.choice).values(user_id=None))
    site.context = replace(site.context, clock=lambda: NOW + timedelta(hours=1))
    assert site.client.post(site.page(), data={"n": "1"}).status_code == 200
    assert site.choice().answered_by == "the page"
