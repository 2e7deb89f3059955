"""Events that other programs tell over HTTP: signed, stored once for each id, refused in words."""

from __future__ import annotations

import hashlib
import hmac
import json
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from mailcrm.app.registry import BUILT_IN
from mailcrm.errors import Temporary
from mailcrm.plugins import PluginHost
from mailcrm.store import events
from mailcrm.store.db import Database
from mailcrm.web import app as web
from mailcrm.web import events as page
from tests.flow_kit import START, Story
from tests.on_disk import synced

SECRET = b"not so secret"
SALE = {"id": "order-17", "kind": "sale.made", "person": "ewa@klient.example", "data": {"product": "offer-1"}}
BUYERS = """kind = "rule"
name = "Buyers"
on = "sale.made"
where = { product = "offer-1" }
do = "tag.add"
with = { tag = "Client 1" }
"""


class Shop:
    """Another program that knows the secret."""

    def __init__(self, story: Story, client: Any) -> None:
        self.story, self.client = story, client
        self.ewa = story.person("Ewa", emails=("ewa@klient.example",))

    def tell(self, told: Any, **headers: str) -> Any:
        body = told if isinstance(told, bytes) else json.dumps(told).encode()
        signature = "sha256=" + hmac.new(SECRET, body, hashlib.sha256).hexdigest()
        return self.client.post("/events", content=body, headers={"X-Mailcrm-Signature": signature, **headers})

    def stored(self) -> list[Any]:
        with self.story.db.read() as connection:
            return events.recent(connection, kind="sale.made")


@pytest.fixture(scope="module")
def plugins() -> PluginHost:
    host = PluginHost(known=BUILT_IN)
    host.load()
    return host


@pytest.fixture
def shop(migrated_sqlite: Path, tmp_path: Path, plugins: PluginHost) -> Iterator[Shop]:
    database = Database(f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'test.db')}")
    story = Story(database, tmp_path, plugins=plugins)
    with TestClient(web.create(story.context, lambda key: False, dict), base_url="http://127.0.0.1") as client:
        yield Shop(story, client)
    database.close()


def test_an_event_starts_a_flow(shop: Shop) -> None:
    shop.story.flow(BUYERS)
    shop.story.now += timedelta(hours=1)
    answer = shop.tell({**SALE, "at": "2026-11-22T10:30:00+01:00"})
    assert (answer.status_code, answer.json()) == (201, {"id": "order-17", "stored": True})
    [stored] = shop.stored()
    assert (stored.person, stored.source) == (shop.ewa, "web")
    assert stored.at == START + timedelta(minutes=30)
    assert stored.data["product"] == "offer-1"
    shop.story.run()
    assert shop.story.tags(shop.ewa) == ["Client 1"]


# Attack: replay of a signed event.
def test_an_event_told_again_is_the_same_event(shop: Shop) -> None:
    codes = [shop.tell(SALE).status_code for _ in range(3)]
    shop.story.now += timedelta(days=400)
    codes.append(shop.tell({**SALE, "data": {"product": "another"}}).status_code)
    assert codes == [201, 200, 200, 200]
    assert len(shop.stored()) == 1
    assert shop.tell({**SALE, "id": "order-18"}).status_code == 201


def test_what_is_said_to_be_stored_survives_a_power_cut(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_disk = synced(monkeypatch)
    assert shop.tell(SALE).status_code == 201
    assert on_disk == [f"{tmp_path}/test.db-wal"]


def test_an_id_may_be_a_number(shop: Shop) -> None:
    codes = [shop.tell({**SALE, "id": number}).status_code for number in (17, 17, "17", 18)]
    assert (codes, len(shop.stored())) == ([201, 200, 200, 201], 2)


@pytest.mark.parametrize("person", ["ewa@klient.example", "Ewa", 1, "1", None])
def test_persons_by_address_name_and_id(shop: Shop, person: object) -> None:
    assert shop.tell({**SALE, "person": person}).status_code == 201
    assert shop.stored()[0].person == (None if person is None else shop.ewa)


# Attack: forged event signatures.
@pytest.mark.parametrize(
    "signature",
    [
        "",
        "sha256=",
        "sha256=" + "0" * 64,
        "sha1=" + hmac.new(SECRET, json.dumps(SALE).encode(), hashlib.sha1).hexdigest(),
        hmac.new(SECRET, json.dumps(SALE).encode(), hashlib.sha256).hexdigest(),
        "sha256=" + hmac.new(b"", json.dumps(SALE).encode(), hashlib.sha256).hexdigest(),
        "sha256=" + hmac.new(SECRET, json.dumps(SALE).encode() + b" ", hashlib.sha256).hexdigest(),
        "sha256=" + hashlib.sha256(SECRET + json.dumps(SALE).encode()).hexdigest(),
    ],
)
def test_what_is_not_signed_is_not_read(shop: Shop, signature: str) -> None:
    answer = shop.tell(SALE, **{"X-Mailcrm-Signature": signature, "Authorization": "Bearer not so secret"})
    assert answer.status_code == 401
    assert "HMAC-SHA256" in answer.json()["error"]
    assert "not so secret" not in answer.text
    assert shop.stored() == []


def test_an_unsigned_event_that_makes_no_sense_learns_no_more(shop: Shop) -> None:
    assert shop.client.post("/events", content=b"{").status_code == 401


@pytest.mark.parametrize(
    ("told", "status", "word"),
    [
        (b"", 400, "JSON"),
        (b"\xff", 400, "JSON"),
        (b"[]", 400, "object"),
        (b'{"id": "1"}', 400, "kind"),
        ({**SALE, "id": ""}, 400, "id"),
        ({**SALE, "id": -7}, 400, "id"),
        ({**SALE, "id": "x" * 201}, 400, "id"),
        ({**SALE, "more": 1}, 400, "more"),
        ({**SALE, "person": -1}, 400, "person"),
        ({**SALE, "data": []}, 400, "data"),
        ({**SALE, "at": "2026-11-22T09:00:00"}, 400, "timezone"),
        ({**SALE, "at": "yesterday"}, 400, "at"),
        ({**SALE, "at": "2026-11-22T10:00:00Z"}, 400, "future"),
        ({**SALE, "at": "0001-01-01T00:00:00+14:00"}, 400, "1900"),
        ({**SALE, "person": "Ewa\0"}, 400, "person"),
        ({**SALE, "kind": "sale.maid"}, 422, "did you mean sale.made"),
        ({**SALE, "data": {}}, 422, "product"),
        ({**SALE, "data": {"product": 1}}, 422, "product"),
        ({**SALE, "data": {"product": "x", "colour": "red"}}, 422, "colour"),
        ({**SALE, "person": "nobody@klient.example"}, 404, "nobody@klient.example"),
        ({**SALE, "person": 99}, 404, "99"),
    ],
)
def test_what_is_no_event_is_refused_in_words(shop: Shop, told: Any, status: int, word: str) -> None:
    answer = shop.tell(told)
    assert answer.status_code == status
    assert word in answer.json()["error"]
    assert shop.stored() == []


def test_too_long_a_body_is_refused(shop: Shop) -> None:
    assert shop.tell({**SALE, "data": {"product": "x" * web.LARGEST_BODY}}).status_code == 413


def test_a_database_that_is_away_asks_to_come_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object, **__: object) -> bool:
        raise Temporary("the database is away")

    monkeypatch.setattr(page, "emit", away)
    assert shop.tell(SALE).status_code == 503


def test_other_methods_are_none(shop: Shop) -> None:
    assert shop.client.get("/events").status_code == 405
