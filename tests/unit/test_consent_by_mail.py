"""Consent asked by mail and given by a reply (SEQ-20 to SEQ-24): one token, one answer; on both databases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcrm.app import consent_by_mail, consenting, workflows
from mailcrm.app.acting import Actor
from mailcrm.app.ingest import ingest
from mailcrm.core.classify import classify
from mailcrm.core.consent_mail import ConsentReference, consent_id, consent_reference, is_consent_mail, read_consent
from mailcrm.core.flow import FlowKind
from mailcrm.core.model import Arrival, Batch, Cursor, FolderRole, Message
from mailcrm.errors import Refused
from mailcrm.store import consents, flows, users
from mailcrm.store.consents import Consent
from mailcrm.store.db import Database
from mailcrm.store.mailboxes import DROP_BOX
from mailcrm.store.outbox import Stored
from tests.house import mail
from tests.sequence_house import CALL, MAIL, House, house

MX = "mx.firma.example"


@pytest.fixture
def home(database: Database, tmp_path: Path) -> House:
    made = house(database, tmp_path)
    made.apply(MAIL)
    return made


def question(home: House) -> Stored:
    """Anna is asked; gives the mail."""
    assert consent_by_mail.ask(home.context, Actor(), "Warm") == ["anna"]
    [mail] = [each for each in home.outbox() if each.kind == "question"]
    return mail


def notices(home: House) -> list[str]:
    return [
        each.key.split(":")[1] for each in home.outbox() if each.key.startswith("consent:") and each.kind == "notice"
    ]


def asked_of(home: House) -> list[str]:
    return [each.recipient for each in home.outbox() if each.kind == "question"]


def reply(
    asked: Stored | str,
    text: str = "TAK",
    *,
    sender: str = "anna@firma.example",
    number: str = "reply",
    results: Sequence[str] = (),
) -> Message:
    name = asked if isinstance(asked, str) else asked.message_id
    headers = {"authentication-results": tuple(results)} if results else {}
    written = mail(number, sender=sender, to="crm@firma.example", subject="Re: ?", text=text, headers=headers)
    return replace(written, in_reply_to=(name,), references=(name,))


def arrives(home: House, message: Message) -> int:
    """At the drop-box; gives how many messages were stored."""
    arrival = Arrival(None, home.now, (message, classify(message)))
    return ingest(home.context, Batch(DROP_BOX, "", FolderRole.OTHER, (arrival,))).stored


def said(home: House) -> list[Consent]:
    with home.context.db.read() as connection:
        return consents.history(connection, flows.find(connection, "Warm", list(FlowKind)).id)


def live(home: House) -> bool:
    with home.context.db.read() as connection:
        number = flows.find(connection, "Warm", list(FlowKind)).id
        return consents.is_live(connection, number, users.find(connection, "anna").id)


# -- asking


def test_he_is_asked_once_until_he_says_something(home: House) -> None:
    asked = question(home)
    assert (asked.recipient, asked.sender) == ("anna@firma.example", "crm@firma.example")
    assert "Warm" in asked.subject
    assert consent_by_mail.ask(home.context, Actor(), "Warm") == []
    home.consent()
    assert consent_by_mail.ask(home.context, Actor(), "Warm") == []
    home.consent(granted=False)
    assert consent_by_mail.ask(home.context, Actor(), "Warm") == ["anna"]


def test_who_has_said_it_meanwhile_is_not_asked_any_more(home: House) -> None:
    question(home)
    consenting.say(home.context, home.anna, "Warm", None, granted=True)
    assert [each.state for each in home.outbox()] == ["withdrawn"]


def test_nobody_is_asked_of_what_sends_nothing_by_itself(home: House) -> None:
    # SEQ-24
    home.apply(CALL, "Calls")
    assert consent_by_mail.ask(home.context, Actor(), "Calls") == []


def test_who_consents_or_is_not_there_is_not_asked(home: House) -> None:
    home.consent()
    with pytest.raises(Refused, match="anna consents to automatic mail of 'Warm' already"):
        consent_by_mail.ask(home.context, Actor(), "Warm", "anna")
    with home.context.db.write() as connection:
        connection.exec_driver_sql("INSERT INTO \"user\" (key, email, name) VALUES ('olaf', 'o@firma.example', 'O')")
    with pytest.raises(Refused, match="olaf is disabled or not configured"):
        consent_by_mail.ask(home.context, Actor(), "Warm", "olaf")


def test_who_lets_others_send_in_whose_name_has_them_asked(home: House) -> None:
    home.enroll(home.deal(), by=home.anna)
    assert asked_of(home) == []  # she is told at once
    home.enroll(home.deal("Rury"), by=home.actor("jan"))
    [asked] = [each for each in home.outbox() if each.kind == "question"]
    assert asked.recipient == "anna@firma.example"
    assert "Jan Lis" in asked.content.decode()


def test_applying_a_flow_asks_the_others_in_whose_name_it_sends(home: House) -> None:
    home.apply(MAIL + 'sender = "jan"\n' + MAIL, "Two")
    assert asked_of(home) == ["jan@firma.example"]
    file = home.folder / "w.toml"
    file.write_text(
        'kind = "workflow"\nname = "W"\n[nodes.a]\non = "tag.added"\nnext = "b"\n[nodes.b]\ndo = "mail.send"\n'
        'with = { subject = "S", body = "B", sender = "jan" }\nnext = "c"\n[nodes.c]\nend = "all"\n',
        encoding="utf-8",
    )
    workflows.apply(home.context, home.anna, workflows.read(home.context, file))
    assert asked_of(home) == ["jan@firma.example"] * 2


# -- answering


@pytest.mark.parametrize(("text", "granted"), [("TAK", True), ("Yes, please", True), ("nie", False), ("No.", False)])
def test_his_reply_is_his_word(home: House, text: str, granted: bool) -> None:
    # SEQ-21: who, when and how stay on record
    assert arrives(home, reply(question(home), text)) == 0
    [word] = said(home)
    assert (word.user, word.granted, word.at, word.by, word.via) == ("anna", granted, home.now, "user:anna", "reply")
    assert notices(home) == ["granted" if granted else "withdrawn"]


def test_what_he_is_told_then_takes_it_back_by_a_reply(home: House) -> None:
    arrives(home, reply(question(home)))
    [confirmed] = [each for each in home.outbox() if each.kind == "notice"]
    arrives(home, reply(confirmed, "STOP", number="second"))
    assert [each.granted for each in said(home)] == [False, True]


def test_a_reply_that_is_replayed_changes_nothing(home: House) -> None:
    asked = question(home)
    arrives(home, reply(asked))
    home.pass_(days=1)
    home.consent(granted=False)
    arrives(home, reply(asked))
    arrives(home, reply(asked, number="a copy of it"))
    assert not live(home)
    assert len(said(home)) == 2
    assert notices(home) == ["granted", "late"]  # he is told that it does not count, once


def test_an_answer_found_twice_is_one(home: House) -> None:
    asked = question(home)
    arrives(home, reply(asked))
    found = Arrival(7, home.now, (reply(asked), classify(reply(asked))))
    ingest(home.context, Batch("anna", "Sent", FolderRole.SENT, (found,), Cursor(1, 7)))
    assert len(said(home)) == 1
    assert notices(home) == ["granted"]


def test_from_his_own_sent_folder_it_needs_no_other_proof(database: Database, tmp_path: Path) -> None:
    home = house(database, tmp_path, linking={"authserv_id": MX})
    home.apply(MAIL)
    asked = question(home)
    found = Arrival(7, home.now, (reply(asked), classify(reply(asked))))
    ingest(home.context, Batch("anna", "Sent", FolderRole.SENT, (found,), Cursor(1, 7)))
    assert live(home)


@pytest.mark.parametrize(
    ("results", "counts"),
    [
        ((f"{MX}; dmarc=pass header.from=firma.example",), True),
        ((f"{MX}; dmarc=fail header.from=firma.example",), False),
        ((f"{MX}; dmarc=pass header.from=klient.example",), False),
        ((f"{MX}; dmarc=fail", f"{MX}; dmarc=pass header.from=firma.example"), False),  # the lower one came with it
        (("mx.other.example; dmarc=pass header.from=firma.example",), False),
        ((), False),
    ],
)
def test_with_a_server_of_our_own_it_needs_dmarc(
    database: Database, tmp_path: Path, results: Sequence[str], counts: bool
) -> None:
    home = house(database, tmp_path, linking={"authserv_id": MX})
    home.apply(MAIL)
    arrives(home, reply(question(home), results=results))
    assert live(home) is counts
    assert notices(home) == (["granted"] if counts else ["unproven"])


def test_a_forged_reply_is_nobodys_word(home: House) -> None:
    asked = question(home)
    signature = asked.message_id.partition("@")[0].rpartition(".")[2]
    other = consent_id(b"another secret", ConsentReference(1, 1, 0), "firma.example")
    for number, message in enumerate(
        (
            reply(asked, sender="jan@firma.example"),
            reply(asked, sender="mallory@evil.example"),
            reply(asked.message_id.replace(signature, "0" * 32)),
            reply(asked.message_id.replace("c.1.", "c.2.", 1)),
            reply(other),
        )
    ):
        arrives(home, replace(message, message_id=f"{number}@evil.example"))
    assert (said(home), notices(home)) == ([], [])


def test_what_a_machine_answers_is_nobodys_word(home: House) -> None:
    asked = question(home)
    away = replace(reply(asked), headers={"auto-submitted": ("auto-replied",)})
    arrives(home, away)
    assert (said(home), notices(home)) == ([], [])


def test_what_is_not_clear_changes_nothing_and_he_is_told_once(home: House) -> None:
    asked = question(home)
    arrives(home, reply(asked, "Yes, but not to Jan"))
    arrives(home, reply(asked, "Hm", number="second"))
    assert (said(home), notices(home)) == ([], ["unclear"])
    arrives(home, reply(asked, "tak", number="third"))
    assert live(home)


def test_of_a_flow_that_is_gone_nothing_is_noted(home: House) -> None:
    from mailcrm.app import sequences

    asked = question(home)
    sequences.remove(home.context, home.anna, "Warm", confirmed=True)
    arrives(home, reply(asked))
    with home.context.db.read() as connection:
        assert consents.history(connection, 1) == []


def test_a_disabled_user_has_no_word(home: House) -> None:
    asked = question(home)
    with home.context.db.write() as connection:
        connection.exec_driver_sql("UPDATE \"user\" SET disabled_at = '2026-11-22 09:00:00' WHERE key = 'anna'")
    arrives(home, reply(asked))
    assert said(home) == []


def test_our_own_mail_on_the_matter_is_not_stored(home: House) -> None:
    asked = question(home)
    ours = replace(mail("x", sender="crm@firma.example", to="anna@firma.example"), message_id=asked.message_id)
    assert arrives(home, ours) == 0
    assert said(home) == []


# -- words and tokens


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Tak!", True),
        ("Cześć,\n\nTAK, dziękuję\n\nAnna Nowak\ntel. 600 100 200", True),
        ("yes\n\nOn Mon, crm wrote:\n> Reply with one word: YES or NO.\n> no", True),
        ("zgadzam się", True),
        ("NO", False),
        ("stop", False),
        ("nie zgadzam się", False),
        ("cofam zgodę", False),
        ("tak\nnie", None),
        ("tak, ale nie do Jana", None),
        ("nie wiem", None),
        ("I would rather talk about it first", None),
        ("", None),
        ("> tak", None),
    ],
)
def test_only_a_clear_word_counts(text: str, expected: bool | None) -> None:
    assert read_consent(text) is expected


@given(st.text(max_size=200))
def test_any_text_is_read_without_a_fault(text: str) -> None:
    assert read_consent(text) in (True, False, None)


@given(st.integers(0, 10**17), st.integers(0, 10**17), st.integers(0, 10**17))
def test_a_token_is_read_back_and_only_with_our_secret(flow: int, user: int, last: int) -> None:
    reference = ConsentReference(flow, user, last)
    name = consent_id(b"s", reference, "firma.example", label="granted")
    assert consent_reference(reply(name), b"s") == reference
    assert consent_reference(reply(name), b"t") is None
    assert is_consent_mail(replace(reply("x@y"), message_id=name), b"s")


def test_a_token_lasts_as_long_as_the_matter(home: House) -> None:
    """Nothing was said meanwhile, so a late answer is one to the same question."""
    asked = question(home)
    home.pass_(days=400)
    arrives(home, replace(reply(asked), date=home.now - timedelta(hours=1)))
    assert live(home)
