"""Consent over HTTP: a user's by his password, the operator's by a signature; no page of another site's (CSRF)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient
from sqlalchemy import update

from mailcrm.app.passwords import hashed
from mailcrm.core.flow import FlowKind
from mailcrm.store import consents, flows
from mailcrm.store.consents import Consent
from mailcrm.store.db import Database
from mailcrm.store.flows import NewFlow
from mailcrm.store.tables import user
from mailcrm.web.app import create
from tests.on_disk import synced
from tests.sequence_house import MAIL, House, house

SECRET = b"not so secret"
PASSWORD = "correct horse battery"


@dataclass
class Site:
    """The app, and the house behind it."""

    home: House
    client: Any

    def post(self, body: Any, headers: dict[str, str]) -> Any:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.client.post("/api/consents", content=raw, headers={"content-type": "application/json", **headers})

    def said(self) -> list[Consent]:
        with self.home.context.db.read() as connection:
            return consents.history(connection, flows.find(connection, "Warm", list(FlowKind)).id)

    def now(self, minutes: float = 0) -> str:
        return (self.home.now + timedelta(minutes=minutes)).isoformat()


@pytest.fixture
def site(migrated_sqlite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """With passwords that are quickly checked, a wrong name's too; that real ones are not is tested elsewhere."""
    quick = {"n": 2, "r": 1, "p": 1}
    monkeypatch.setattr(
        "mailcrm.app.passwords.hashed", lambda text, salt, **cost: hashed(text, salt, **(cost or quick))
    )
    database = Database(f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'test.db')}")
    home = house(database, tmp_path)
    home.apply(MAIL)
    with database.write() as connection:
        for key in ("anna", "jan"):
            stored = hashed(f"{PASSWORD} {key}", b"salt", **quick)
            connection.execute(update(user).where(user.c.key == key).values(password_hash=stored))
    app = create(home.context, lambda key: True, dict)
    with TestClient(app, base_url="https://crm.firma.example") as client:
        yield Site(home, client)
    database.close()


def as_(key: str, password: str | None = None) -> dict[str, str]:
    text = f"{key}:{password if password is not None else f'{PASSWORD} {key}'}"
    return {"authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}


def signed(body: dict[str, Any], secret: bytes = SECRET) -> dict[str, str]:
    raw = json.dumps(body).encode()
    return {"x-mailcrm-signature": "sha256=" + hmac.digest(secret, raw, hashlib.sha256).hex()}


def test_a_user_says_it_for_himself(site: Site) -> None:
    # SEQ-21
    answer = site.post({"flow": "Warm", "granted": True}, as_("anna"))
    assert (answer.status_code, answer.json()) == (201, {"flow": "Warm", "granted": True, "noted": True})
    assert site.post({"flow": "Warm", "granted": True}, as_("anna")).status_code == 200
    site.post({"flow": "Warm", "granted": False}, as_("anna"))
    said = [(each.user, each.granted, each.at, each.by, each.via) for each in site.said()]
    assert said == [("anna", granted, site.home.now, "user:anna", "api") for granted in (False, True)]
    shown = site.client.get("/api/consents?flow=Warm", headers=as_("jan")).json()
    assert [each["granted"] for each in shown] == [False, True]


def test_his_word_survives_a_power_cut(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_disk = synced(monkeypatch)
    for granted in (True, False):
        site.post({"flow": "Warm", "granted": granted}, as_("anna"))
    assert on_disk == [f"{tmp_path}/test.db-wal"] * 2


def test_nobody_says_it_for_another(site: Site) -> None:
    # SEQ-22
    answer = site.post({"flow": "Warm", "granted": True, "user": "anna"}, as_("jan"))
    assert (answer.status_code, site.said()) == (403, [])


def test_the_operator_says_it_signed_and_just_now(site: Site) -> None:
    body = {"flow": "Warm", "granted": True, "user": "anna", "at": site.now()}
    assert site.post(body, signed(body)).status_code == 201
    [word] = site.said()
    assert (word.user, word.granted, word.by, word.via) == ("anna", True, "command", "api")


def test_what_was_signed_once_is_not_passed_on_twice(site: Site) -> None:
    body = {"flow": "Warm", "granted": True, "user": "anna", "at": site.now(minutes=2)}  # his clock is fast
    site.post(body, signed(body))
    site.home.pass_(minutes=1)
    with site.home.context.db.write() as connection:
        flow = flows.find(connection, "Warm", list(FlowKind)).id
        anna = site.home.anna.id or 0
        at = site.home.now + timedelta(minutes=1)
        consents.record(connection, flow, anna, at, granted=False, by="user:anna", via="command")
    assert site.post(body, signed(body)).status_code == 409
    assert not site.said()[0].granted
    site.home.pass_(days=1)
    assert site.post(body, signed(body)).status_code == 409
    assert len(site.said()) == 2


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_word_of_another_time_is_not_taken(site: Site, minutes: float) -> None:
    body = {"flow": "Warm", "granted": True, "user": "anna", "at": site.now(minutes)}
    assert (site.post(body, signed(body)).status_code, site.said()) == (409, [])


def test_without_proof_nothing_is_said(site: Site) -> None:
    body = {"flow": "Warm", "granted": True, "user": "anna", "at": site.now()}
    bearer = {"authorization": "Bearer not so secret"}  # it would be good for ever
    wrong: list[dict[str, str]] = [{}, as_("anna", "wrong"), as_("nobody", ""), bearer, {"authorization": "Basic ?"}]
    wrong += [signed(body, b"another"), signed({**body, "granted": False}), {"x-mailcrm-signature": "sha256="}]
    for headers in wrong:
        answer = site.post(body, headers)
        assert answer.status_code == 401, headers
        assert "www-authenticate" not in answer.headers  # or a browser would ask, and send it along from then on
    assert site.client.get("/api/consents?flow=Warm").status_code == 401
    assert site.said() == []


def test_who_tries_passwords_has_to_wait(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailcrm.web.guesses.MOST", 2)
    for expected in (401, 401, 429):
        assert site.post({"flow": "Warm", "granted": True}, as_("anna", "wrong")).status_code == expected
    assert site.post({"flow": "Warm", "granted": True}, as_("anna")).status_code == 429


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "https://crm.firma.example.evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_page_of_another_site_gives_no_consent(site: Site, headers: dict[str, str]) -> None:
    answer = site.post({"flow": "Warm", "granted": True}, {**as_("anna"), **headers})
    assert (answer.status_code, site.said()) == (403, [])


@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x", ""]
)
def test_a_form_gives_no_consent(site: Site, kind: str) -> None:
    headers = {**as_("anna"), "content-type": kind}
    assert (site.post({"flow": "Warm", "granted": True}, headers).status_code, site.said()) == (415, [])


def test_looking_changes_nothing(site: Site) -> None:
    answer = site.client.get("/api/consents?flow=Warm&granted=true", headers=as_("anna"))
    assert (answer.status_code, site.said()) == (200, [])


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b'{"flow": "Warm"}', 400),
        (b'{"flow": "Warm", "granted": "yes"}', 400),
        (b'{"flow": "Warm", "granted": true, "more": 1}', 400),
        (b'{"flow": "", "granted": true}', 400),
        (b'{"flow": "Warm\\u0000", "granted": true}', 400),
        (b'{"flow": "Cold", "granted": true}', 404),
        (b'{"flow": "Warm", "granted": true, "user": "olaf"}', 404),
    ],
)
def test_what_is_no_word_is_refused(site: Site, body: bytes, status: int) -> None:
    assert (site.post(body, as_("anna")).status_code, site.said()) == (status, [])


def test_a_signed_word_says_whose_and_when(site: Site) -> None:
    for body in (
        {"flow": "Warm", "granted": True, "user": "anna"},
        {"flow": "Warm", "granted": True, "at": site.now()},
    ):
        assert site.post(body, signed(body)).status_code == 400
    assert site.said() == []


def test_campaigns_of_one_name_are_called_by_number(site: Site) -> None:
    # CAMP-3
    new = NewFlow(FlowKind.CAMPAIGN, "Spring", "recipient", None, "")
    with site.home.context.db.write() as connection:
        numbers = [flows.add(connection, new, "command", site.home.now) for _ in range(2)]
    answer = site.client.get("/api/consents?flow=Spring", headers=as_("anna"))
    assert (answer.status_code, answer.json()["error"].partition(":")[0]) == (
        409,
        "'Spring' may be several; say the number of one",
    )
    assert site.post({"flow": "Spring", "granted": True}, as_("anna")).status_code == 403
    assert site.post({"flow": str(numbers[0]), "granted": True}, as_("anna")).status_code == 201
    shown = site.client.get(f"/api/consents?flow={numbers[0]}", headers=as_("anna"))
    assert [each["granted"] for each in shown.json()] == [True]
