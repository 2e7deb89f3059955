"""By what a draft is known again, and when it counts as untouched: tables and properties."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailcrm.config import Parsing
from mailcrm.core import drafts as core
from mailcrm.core.compose import Envelope, compose
from mailcrm.core.drafts import (
    Evidence,
    Found,
    Sought,
    assign,
    digest_of,
    evidence,
    found,
    is_own_copy,
    is_unsent,
    marked,
    reference_of,
    thread_of,
    token_of,
)
from mailcrm.core.letters import Letter
from mailcrm.core.model import Address, FolderRole
from mailcrm.mail.counting import Counting
from mailcrm.mail.parse import parse
from tests.house import NOW, mail

TOKEN = token_of(b"secret", "1.0.0")
DRAFT = Sought(TOKEN, "s.1@firma.example", "ewa@klient.example", "Oferta", NOW, frozenset({"before@klient.example"}))
HOUR = timedelta(hours=1)
TO_HER: dict[str, Any] = {"recipients": frozenset({"ewa@klient.example"})}
IN_THREAD: dict[str, Any] = {"ids": frozenset({"before@klient.example"})}


def test_many_drafts_and_many_mails_are_not_all_held_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def noted(one: Sought, mail: Found) -> Evidence | None:
        compared.append(one)
        return evidence(one, mail)

    monkeypatch.setattr(core, "evidence", noted)
    drafts = [replace(DRAFT, token=f"{n}", message_id=f"{n}@x", recipient=f"{n}@klient.example") for n in range(2000)]
    mails = [Found(NOW, f"{n}@x", recipients=frozenset({f"{n}@klient.example"})) for n in range(200)]
    assert {number: match.index for number, match in assign(drafts, mails).items()} == {n: n for n in range(200)}
    assert len(compared) <= 400


@pytest.mark.parametrize(
    ("signs", "after", "missing", "known"),
    [
        ({"tokens": frozenset({TOKEN})}, 9_999, None, Evidence.HEADER),
        ({"message_id": "s.1@firma.example"}, 9_999, None, Evidence.MESSAGE_ID),
        ({"ids": frozenset({f"d.{TOKEN}@firma.example"})}, 9_999, None, Evidence.REFERENCE),
        (TO_HER | {"subject": "RE: oferta"}, 1, None, Evidence.THREAD),
        (TO_HER | IN_THREAD | {"subject": "Zupełnie inny"}, 72, None, Evidence.THREAD),
        (TO_HER | IN_THREAD, 73, None, None),
        (TO_HER | IN_THREAD, 400, 399, Evidence.THREAD),  # it lay there for weeks and went missing just then
        (TO_HER | IN_THREAD, 400, 300, None),
        (TO_HER | IN_THREAD, -1, None, None),  # written before it was asked for
        (TO_HER | {"subject": "Faktura"}, 1, None, None),
        (IN_THREAD | {"subject": "Oferta"}, 1, None, None),  # to somebody else
        (TO_HER | IN_THREAD | {"tokens": frozenset({"0" * 32})}, 1, None, None),  # it says itself that it is another
        ({"ids": frozenset({f"d.{TOKEN}@elsewhere.example"})}, 1, None, None),
        ({}, 1, None, None),
    ],
)
def test_what_a_draft_is_known_by(
    signs: dict[str, Any], after: float, missing: float | None, known: Evidence | None
) -> None:
    sought = replace(DRAFT, missing_since=None if missing is None else NOW + missing * HOUR)
    assert evidence(sought, Found(NOW + after * HOUR, **signs)) is known


def test_the_surest_sign_wins_and_nothing_is_given_twice() -> None:
    other = replace(DRAFT, token="f" * 32, message_id="s.2@firma.example", placed_at=NOW + HOUR)
    weak = Found(NOW + 2 * HOUR, subject="Oferta", **TO_HER)
    sure = Found(NOW + 3 * HOUR, tokens=frozenset({TOKEN}), subject="Oferta", **TO_HER)
    given_ = assign([DRAFT, other], [weak, sure])
    assert {number: (match.index, match.evidence) for number, match in given_.items()} == {
        0: (1, Evidence.HEADER),
        1: (0, Evidence.THREAD),
    }
    assert {number: match.index for number, match in assign([DRAFT, other], [weak]).items()} == {0: 0}  # the oldest


_MAILS = st.builds(
    Found,
    at=st.integers(-100, 200).map(lambda hours: NOW + hours * HOUR),
    message_id=st.sampled_from(["", "s.1@firma.example", "s.2@firma.example", "x@y.example"]),
    tokens=st.sets(st.sampled_from([TOKEN, "f" * 32, "0" * 32]), max_size=2).map(frozenset),
    ids=st.sets(st.sampled_from(["before@klient.example", f"d.{TOKEN}@firma.example"])).map(frozenset),
    recipients=st.sets(st.sampled_from(["ewa@klient.example", "jan@klient.example"])).map(frozenset),
    subject=st.sampled_from(["Oferta", "Re: Oferta", ""]),
)
_DRAFTS = st.builds(
    Sought,
    token=st.sampled_from([TOKEN, "f" * 32]),
    message_id=st.sampled_from(["s.1@firma.example", "s.2@firma.example"]),
    recipient=st.sampled_from(["ewa@klient.example", "jan@klient.example"]),
    subject=st.just("Oferta"),
    placed_at=st.integers(0, 100).map(lambda hours: NOW + hours * HOUR),
    thread=st.sampled_from([frozenset(), frozenset({"before@klient.example"})]),
)


@given(st.lists(_DRAFTS, max_size=4), st.lists(_MAILS, max_size=4))
def test_each_draft_has_one_mail_and_each_mail_one_draft(sought: list[Sought], mails: list[Found]) -> None:
    matches = assign(sought, mails)
    taken = [match.index for match in matches.values()]
    assert len(taken) == len(set(taken))
    for number, match in matches.items():
        assert evidence(sought[number], mails[match.index]) is match.evidence
    for number, one in enumerate(sought):  # nothing that could be given is left over
        if number not in matches:
            assert all(index in taken or evidence(one, each) is None for index, each in enumerate(mails))


@given(st.text(min_size=1, max_size=20), st.binary(min_size=1, max_size=20), st.binary(min_size=1, max_size=20))
def test_only_who_has_the_secret_makes_a_token(key: str, secret: bytes, other: bytes) -> None:
    token = token_of(secret, key)
    assert token == token_of(secret, key)
    assert len(token) == 32
    assert (token_of(other, key) == token) == (other.ljust(64, b"\0") == secret.ljust(64, b"\0"))


ENVELOPE = Envelope(
    sender="anna@firma.example",
    sender_name="Anna Nowak",
    recipient="ewa@klient.example",
    recipient_name="Ewa Zielińska",
    message_id="s.1@firma.example",
    date=NOW,
)


def placed(text: str = "Dzień dobry", references: tuple[str, ...] = ()) -> bytes:
    envelope = replace(ENVELOPE, references=references)
    return marked(compose(Letter("Oferta", text + "\n"), envelope), TOKEN, envelope.message_id)


@pytest.mark.parametrize("references", [(), ("a@b.example",), tuple(f"{n}@b.example" for n in range(30))])
def test_the_marks_survive_being_written_and_read(references: tuple[str, ...]) -> None:
    raw = placed(references=references)
    read = parse(raw, Counting(), Parsing())
    signs = found(read, NOW)
    assert signs.tokens == {TOKEN}
    assert reference_of(TOKEN, "s.1@firma.example") in signs.ids
    assert read.in_reply_to == references[-1:]
    kept = set(read.references) - {reference_of(TOKEN, "s.1@firma.example")}
    assert thread_of(raw, TOKEN) == kept
    assert bool(kept) == bool(references)
    assert read.text.strip() == "Dzień dobry"


@settings(max_examples=30)
@given(st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Zs")), min_size=1, max_size=200))
def test_a_copy_that_says_the_same_is_untouched(text: str) -> None:
    read = parse(placed(text), Counting(), Parsing())
    again = replace(read, text=read.text.replace(" ", "\n "), message_id="other@x.example", headers={}, references=())
    assert digest_of(again) == digest_of(read)


@pytest.mark.parametrize(
    "change",
    [
        {"text": "Dzień dobry!\n"},
        {"subject": "Inna oferta"},
        {"to": (Address("", "jan@klient.example"),)},
        {"cc": (Address("", "jan@klient.example"),)},
        {"bcc": (Address("", "jan@klient.example"),)},
    ],
)
def test_a_changed_word_or_recipient_is_a_change(change: dict[str, Any]) -> None:
    read = parse(placed(), Counting(), Parsing())
    assert digest_of(replace(read, **change)) != digest_of(read)


RECEIVED = {"received": ("from mx.example by firma.example",)}


@pytest.mark.parametrize(
    ("role", "flags", "headers", "own"),
    [
        (FolderRole.SENT, (), {}, True),
        (FolderRole.SENT, ("\\Draft",), RECEIVED, True),
        (FolderRole.INBOX, (), {}, True),  # programs that file a copy beside what it answers
        (FolderRole.OTHER, (), RECEIVED, False),
        (FolderRole.INBOX, (), RECEIVED, False),
        (FolderRole.INBOX, (), {"return-path": ("<x@evil.example>",)}, False),
        (FolderRole.JUNK, (), {"authentication-results": ("firma.example; dmarc=fail",)}, False),
        (FolderRole.ALL, (), RECEIVED, True),
        (FolderRole.ALL, (), RECEIVED | {"delivered-to": ("anna@firma.example",)}, False),
        (FolderRole.ALL, ("\\Draft",), {}, False),
        (FolderRole.DRAFTS, (), {}, False),
    ],
)
def test_what_one_of_us_sent(role: FolderRole, flags: tuple[str, ...], headers: dict[str, Any], own: bool) -> None:
    message = mail(1, sender="Anna <anna@firma.example>", headers=headers)
    assert is_own_copy(message, role, flags, has_server=True) is own
    assert is_own_copy(message, role, flags, has_server=False)


@pytest.mark.parametrize(
    ("role", "flags", "unsent"),
    [
        (FolderRole.DRAFTS, (), True),
        (FolderRole.ALL, ("\\Seen", "\\draft"), True),
        (FolderRole.INBOX, ("\\Seen",), False),
        (FolderRole.SENT, ("\\Draft",), False),
    ],
)
def test_what_is_no_mail_yet(role: FolderRole, flags: tuple[str, ...], unsent: bool) -> None:
    assert is_unsent(role, flags) is unsent
