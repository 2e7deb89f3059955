"""The choice from the question to its answer, by every way; on both databases."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from mailcrm.app.ask import ask_due
from mailcrm.app.choose import choose, deal_closed
from mailcrm.app.context import Context
from mailcrm.app.ingest import ingest
from mailcrm.config import Parsing
from mailcrm.core.choices import folder_name, is_question, question_id
from mailcrm.core.classify import classify
from mailcrm.core.model import Address, Arrival, Batch, Cursor, FolderRole, Message
from mailcrm.errors import NotFound, Refused
from mailcrm.mail.parse import parse
from mailcrm.store import choices, outbox, tables
from mailcrm.store.blobs import Blobs
from mailcrm.store.db import Database
from tests.house import NOW, SETTINGS, batch, build, mail

ANNA = "Anna Nowak <anna@firma.example>"


@dataclasses.dataclass
class House:
    """A context whose clock can be moved, with what the tests ask of it."""

    context: Context
    stage: int

    def at(self, now: datetime) -> None:
        self.context = replace(self.context, clock=lambda: now)

    def deals(self, *titles: str, person: str = "ewa@klient.example", name: str = "Ewa") -> list[int]:
        with self.context.db.write() as connection:
            who = connection.execute(
                insert(tables.person).values(name=name, created_by="t", created_at=NOW).returning(tables.person.c.id)
            ).scalar_one()
            connection.execute(
                insert(tables.person_address).values(person_id=who, address=person, canonical=person, is_primary=True)
            )
            return [
                connection.execute(
                    insert(tables.deal)
                    .values(
                        title=title, person_id=who, stage_id=self.stage, status="open", value=12000, currency="PLN",
                        created_by="t", created_at=NOW - timedelta(days=1),
                    )
                    .returning(tables.deal.c.id)
                ).scalar_one()
                for title in titles
            ]  # fmt: skip

    def take(self, *mails: Message, **where: Any) -> None:
        ingest(self.context, batch(*mails, **where))

    def sent(self, message: Message, mailbox: str = "anna") -> None:
        """As found over IMAP in the mailbox's Sent."""
        arrival = Arrival(uid=1, received_at=NOW, content=(message, classify(message)))
        cursor = Cursor(uidvalidity=1, last_uid=1)
        ingest(self.context, Batch(mailbox, "Sent", FolderRole.SENT, (arrival,), cursor))

    def ask(self) -> list[EmailMessage]:
        """Ask, and give every mail in the outbox."""
        ask_due(self.context)
        return self.mails()

    def mails(self, state: str = "pending") -> list[EmailMessage]:
        with self.context.db.read() as connection:
            stored = outbox.listed(connection, state)
        return [BytesParser(policy=policy.default).parsebytes(each.content) for each in stored]

    def kinds(self) -> list[str]:
        with self.context.db.read() as connection:
            return [each.key.rpartition(":")[0] for each in outbox.listed(connection)]

    def choice(self, choice_id: int = 1) -> Any:
        with self.context.db.read() as connection:
            return choices.get(connection, choice_id)

    def rows(self, query: Any) -> list[Any]:
        with self.context.db.read() as connection:
            return list(connection.execute(query))

    def close(self, deal: int) -> None:
        with self.context.db.write() as connection:
            connection.execute(update(tables.deal).where(tables.deal.c.id == deal).values(status="lost"))
            deal_closed(connection, deal, self.context.clock())


@pytest.fixture
def make(database: Database, tmp_path: Path) -> Callable[..., House]:
    def make(**settings: Any) -> House:
        context = build(database, tmp_path, **settings)
        with database.write() as connection:
            pipeline = connection.execute(
                insert(tables.pipeline).values(name="P").returning(tables.pipeline.c.id)
            ).scalar_one()
            stage = connection.execute(
                insert(tables.stage).values(pipeline_id=pipeline, name="Offer", position=1).returning(tables.stage.c.id)
            ).scalar_one()
        return House(context, stage)

    return make


@pytest.fixture
def house(make: Callable[..., House]) -> House:
    return make()


@pytest.fixture
def asked(house: House) -> House:
    """One thread of Ewa's, who has two open deals; the question is in the outbox."""
    house.deals("Dach", "Garaż")
    house.take(mail(1))
    house.ask()
    return house


def reply(
    house: House, text: str, number: int | str = "r1", *, choice: int = 1, sender: str = ANNA, **more: Any
) -> Message:
    nonce = house.choice(choice).nonce
    token = question_id(house.context.secret, choice, nonce, "firma.example")
    return mail(
        number, sender=sender, to="crm@firma.example", text=text, subject="Re: Która szansa?",
        in_reply_to=(token,), references=(token,), **more,
    )  # fmt: skip


def by_drop_box(house: House, message: Message) -> None:
    house.take(message, mailbox="drop-box")


# DATA-22
def test_nothing_is_linked_until_the_rep_has_chosen(asked: House) -> None:
    (thread,) = asked.rows(select(tables.thread))
    assert (thread.link, thread.deal_id) == ("choice", None)
    assert asked.rows(select(tables.link).where(tables.link.c.record == "deal")) == []
    assert [candidate.title for candidate in asked.choice().candidates] == ["Dach", "Garaż"]


# DATA-22
def test_the_question_lists_the_deals_and_the_ways_to_answer(asked: House) -> None:
    (question,) = asked.mails()
    assert question["To"] == "anna@firma.example"
    assert question["From"].addresses[0].addr_spec == question["Reply-To"] == "crm@firma.example"
    assert question["Auto-Submitted"] == "auto-generated"
    assert question["X-Mailcrm-Choice"] == "question"
    assert question["Message-ID"] == question["References"]
    plain, html = (part.get_content() for part in question.iter_parts())  # type: ignore[attr-defined]
    for part in (plain, html):
        for shown in (
            "Oferta",
            "Ewa Zielińska",
            "Dzień dobry, proszę o ofertę.",
            "Dach",
            "Garaż",
            "Offer",
            "12\u00a0000,00 PLN",
        ):
            assert shown in part, shown
        assert "https://crm.firma.example/q/1." in part


def test_an_english_rep_is_asked_in_english(make: Callable[..., House]) -> None:
    users = {"anna": {"email": "anna@firma.example", "name": "Anna", "time_zone": "Europe/London"}}
    house = make(users=users, mailboxes={"anna": {"user": "anna"}})
    house.deals("Roof", "Garage")
    house.take(mail(1))
    (question,) = house.ask()
    assert question["Subject"] == "Which deal? Oferta"
    assert "12,000.00 PLN" in question.get_body(("plain",)).get_content()  # type: ignore[union-attr]


@pytest.mark.parametrize(("zone", "chosen", "which"), [("Europe/Warsaw", "en", "Which"), ("Asia/Tokyo", "pl", "Która")])
def test_a_rep_who_chose_a_language_is_asked_in_it(
    make: Callable[..., House], zone: str, chosen: str, which: str
) -> None:
    anna = {"email": "anna@firma.example", "name": "Anna", "time_zone": zone, "language": chosen}
    house = make(users={"anna": anna}, mailboxes={"anna": {"user": "anna"}})
    house.deals("Roof", "Garage")
    house.take(mail(1))
    (question,) = house.ask()
    assert question["Subject"].startswith(f"{which} ")


def test_what_strangers_wrote_is_only_text(house: House) -> None:
    house.deals("<b>Dach</b>", "Garaż\r\nBcc: x@evil.example")
    house.take(mail(1, subject="Oferta\r\nBcc: evil@evil.example <script>", text="<script>alert(1)</script>\x1b"))
    (question,) = house.ask()
    assert question["Bcc"] is None
    html = question.get_body(("html",)).get_content()  # type: ignore[union-attr]
    assert "<script" not in html
    assert "<b>Dach" not in html


def test_a_thread_is_asked_about_once(asked: House) -> None:
    asked.take(mail(2, replies_to=(1,), text="Czy są Państwo tam?"))
    asked.ask()
    assert asked.kinds() == ["question"]
    assert ask_due(asked.context) == 0


def test_history_is_not_asked_about(house: House) -> None:
    house.deals("Dach", "Garaż")
    with house.context.db.write() as connection:
        connection.execute(update(tables.deal).values(created_at=NOW - timedelta(days=99)))
    house.take(mail(1, age=timedelta(days=30)))
    assert house.choice().state == "open"
    assert house.ask() == []


@pytest.mark.parametrize(("text", "deal"), [("2", 2), ("1\n\n> quoted", 1), ("Zawsze 2", 2), ("żadna", None)])
def test_a_reply_answers(asked: House, text: str, deal: int | None) -> None:
    by_drop_box(asked, reply(asked, text))
    (thread,) = asked.rows(select(tables.thread))
    assert (thread.link, thread.deal_id) == (("linked", deal) if deal else ("person", None))
    question = asked.choice()
    assert (question.state, question.answer, question.answered_by, question.answered_via) == (
        "answered",
        deal,
        "anna",
        "reply",
    )
    links = asked.rows(select(tables.link).where(tables.link.c.record == "deal"))
    assert [(each.record_id, each.rule) for each in links] == ([(deal, "choice")] if deal else [])
    if links:
        assert links[0].evidence == f"anna chose deal {deal} by reply at 2026-11-22T09:00:00Z"
    assert asked.mails() == []  # the question that had not left yet is taken back
    assert len(asked.rows(select(tables.message))) == 1  # an answer is not correspondence
    standing = asked.rows(select(tables.standing_choice))
    assert [(each.deal_id) for each in standing] == ([2] if text.startswith("Zawsze") else [])


# DATA-18
def test_every_message_of_the_thread_is_linked_and_later_ones_inherit(asked: House) -> None:
    asked.take(mail(2, replies_to=(1,)))
    by_drop_box(asked, reply(asked, "2"))
    asked.take(mail(3, replies_to=(2,)))
    links = asked.rows(select(tables.link.c.message_id, tables.link.c.record_id).where(tables.link.c.record == "deal"))
    assert sorted(tuple(each) for each in links) == [(1, 2), (2, 2), (3, 2)]


def test_always_holds_for_later_threads_until_the_deal_closes(asked: House) -> None:
    by_drop_box(asked, reply(asked, "always 2"))
    asked.take(mail(10, subject="Inna sprawa"))
    assert asked.rows(select(tables.thread.c.deal_id).order_by(tables.thread.c.id)) == [(2,), (2,)]
    asked.close(2)
    assert asked.rows(select(tables.standing_choice)) == []


def test_the_answer_in_the_reps_own_sent_counts_once_with_its_copy(asked: House) -> None:
    message = reply(asked, "1")
    asked.sent(message)
    by_drop_box(asked, message)
    assert asked.choice().answered_via == "sent"
    assert asked.kinds() == ["question"]  # the copy says the same, so nobody is told that he was late


def test_the_first_answer_wins_and_the_second_is_told(asked: House) -> None:
    by_drop_box(asked, reply(asked, "1"))
    by_drop_box(asked, reply(asked, "2", "r2"))
    by_drop_box(asked, reply(asked, "2", "r3"))
    assert asked.choice().answer == 1
    (told,) = asked.mails()
    assert "1 – Dach" in told.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert asked.kinds() == ["question", "notice:late"]


def test_an_unclear_answer_is_asked_again_once_and_nothing_is_guessed(asked: House) -> None:
    by_drop_box(asked, reply(asked, "chyba ten drugi"))
    by_drop_box(asked, reply(asked, "no ten drugi!", "r2"))
    assert asked.choice().state == "open"
    assert asked.kinds() == ["question", "notice:unclear"]
    notice = asked.mails()[-1]
    back = str(notice["Message-ID"]).strip("<>")
    by_drop_box(asked, mail("r3", sender=ANNA, to="crm@firma.example", text="2", in_reply_to=(back,)))
    assert asked.choice().answer == 2


@pytest.mark.parametrize(
    "change",
    [
        {"sender": "Jan Lis <jan@firma.example>"},
        {"sender": "Ewa <ewa@klient.example>"},
        {"sender": None},
        {"in_reply_to": ("q.1.0123456789abcdef.00000000000000000000000000000000@firma.example",), "references": ()},
        {"headers": {"auto-submitted": ("auto-replied",)}},
    ],
)
def test_what_is_not_the_reps_own_answer_does_not_count(asked: House, change: dict[str, Any]) -> None:
    """A wrong sender, a forged token, an absence note."""
    author = mail(0, sender=change.get("sender", ANNA)).from_
    others = {name: value for name, value in change.items() if name != "sender"}
    message = replace(reply(asked, "2"), from_=author, **others)
    by_drop_box(asked, message)
    assert asked.choice().state == "open"
    assert not any(kind.startswith("notice") for kind in asked.kinds())


def test_a_token_of_another_choice_does_not_fit(asked: House) -> None:
    token = question_id(asked.context.secret, 1, "feedfeedfeedfeed", "firma.example")  # signed, but not this nonce
    by_drop_box(asked, replace(reply(asked, "2"), in_reply_to=(token,), references=()))
    assert asked.choice().state == "open"


@pytest.mark.parametrize(
    ("fields", "counts"),
    [
        (("mx.firma.example; dmarc=pass header.from=firma.example",), True),
        (("mx.firma.example; dmarc=fail", "mx.firma.example; dmarc=pass"), False),
        (("mx.evil.example; dmarc=pass",), False),
        ((), False),
    ],
)
def test_where_a_trusted_server_judges_dmarc_must_pass(
    make: Callable[..., House], fields: tuple[str, ...], counts: bool
) -> None:
    house = make(linking={"authserv_id": "mx.firma.example"})
    house.deals("Dach", "Garaż")
    house.take(mail(1))
    house.ask()
    by_drop_box(house, replace(reply(house, "2"), headers={"authentication-results": fields}))
    assert house.choice().state == ("answered" if counts else "open")
    assert house.kinds() == (["question"] if counts else ["question", "notice:unproven"])
    if not counts:
        house.sent(reply(house, "2", "r2"), mailbox="jan")  # somebody else's Sent proves nothing
        assert house.choice().state == "open"
        house.sent(reply(house, "2", "r3"))
        assert house.choice().answered_via == "sent"


def test_mail_with_a_customer_is_kept_although_it_carries_a_token(asked: House) -> None:
    """A rep passed the question on; what the customer and he then write is correspondence."""
    from_customer = replace(reply(asked, "2", "c1"), from_=Address("Ewa", "ewa@klient.example"))
    to_customer = replace(reply(asked, "2", "c2"), to=(Address("Ewa", "ewa@klient.example"),))
    asked.take(from_customer)
    asked.sent(to_customer)
    assert asked.choice().state == "open"
    assert len(asked.rows(select(tables.message))) == 3


def test_our_own_question_found_in_the_inbox_is_no_mail(asked: House) -> None:
    (question,) = asked.mails()
    found = mail(5, sender="crm@firma.example", message_id=str(question["Message-ID"]).strip("<>"))
    asked.take(found)
    assert len(asked.rows(select(tables.message))) == 1


def test_three_questions_a_day_and_the_rest_in_one_digest(house: House) -> None:
    house.deals("Dach", "Garaż")
    for number in range(6):
        house.take(mail(number, subject=f"Sprawa {number}"))
    house.ask()
    assert house.kinds() == ["question"] * 3
    house.at(datetime(2026, 11, 22, 14, 59, tzinfo=UTC))  # 15:59 in Warsaw
    house.ask()
    assert house.kinds() == ["question"] * 3
    house.at(datetime(2026, 11, 22, 15, 0, tzinfo=UTC))
    digest = house.ask()[-1]
    assert house.kinds() == ["question"] * 3 + [f"digest:{house.choice().thread}"]
    text = digest.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert all(shown in text for shown in ("--- A ---", "Sprawa 3", "--- C ---", "Sprawa 5", "/q/6."))
    house.take(mail(7, subject="Sprawa 7"))
    house.ask()
    assert len(house.kinds()) == 4  # one digest a day
    house.at(datetime(2026, 11, 22, 23, 30, tzinfo=UTC))  # the next day in Warsaw
    house.ask()
    assert house.kinds()[4:] == ["question"]


def test_a_digest_is_answered_line_by_line(house: House) -> None:
    house.deals("Dach", "Garaż")
    house.context = replace(house.context, config=_with_questions(house.context, 0))
    house.at(datetime(2026, 11, 22, 15, 0, tzinfo=UTC))
    house.take(*(mail(number, subject=f"Sprawa {number}", age=timedelta(hours=-6)) for number in range(3)))
    (digest,) = house.ask()
    token = str(digest["Message-ID"]).strip("<>")
    answer = mail("d1", sender=ANNA, to="crm@firma.example", text="A 2\nB 9\n", in_reply_to=(token,))
    by_drop_box(house, answer)
    states = [house.choice(each).state for each in (1, 2, 3)]
    assert states == ["answered", "open", "open"]
    assert house.kinds()[1:] == ["notice:unclear"]
    by_drop_box(house, mail("d2", sender=ANNA, to="crm@firma.example", text="B żadna\nC 1", in_reply_to=(token,)))
    assert [house.choice(each).answer for each in (1, 2, 3)] == [2, None, 1]


def _with_questions(context: Context, count: int) -> Any:
    import msgspec

    return msgspec.structs.replace(
        context.config, linking=msgspec.structs.replace(context.config.linking, questions_a_day=count)
    )


def _quoted(question: EmailMessage, mark: str) -> str:
    text = question.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    return "".join(f"{mark}{line}\n" for line in text.splitlines())


def _html(question: EmailMessage) -> str:
    html: str = question.get_body(("html",)).get_content()  # type: ignore[union-attr]
    return html


CLIENTS: dict[str, Callable[[EmailMessage], tuple[str, str]]] = {
    "top-posted": lambda q: ("plain", f"2\n\nW dniu 22.11.2026 o 10:00, mailcrm pisze:\n{_quoted(q, '> ')}"),
    "bottom-posted": lambda q: ("plain", f"On 22.11.2026 10:00, mailcrm wrote:\n{_quoted(q, '> ')}\n2\n"),
    "unmarked quote": lambda q: (
        "plain",
        f"2\n\nAnna Nowak\nul. Długa 1\n\n-----Original Message-----\nFrom: mailcrm\n\n{_quoted(q, '')}",
    ),
    "unmarked quote in Polish": lambda q: (
        "plain",
        f"2\n\nOd: mailcrm <crm@firma.example>\nWysłano: niedziela, 22 listopada 2026 10:00\nDo: Anna\n"
        f"Temat: {q['Subject']}\n\n{_quoted(q, '')}",
    ),
    "quote without any head": lambda q: ("plain", f"2\n\n{_quoted(q, '')}"),
    "phone": lambda q: ("plain", f"2\n\nWysłano z iPhone'a\n\n> Wiadomość napisana:\n{_quoted(q, '> ')}"),
    "HTML alone": lambda q: (
        "html",
        f"<div dir=ltr>2</div><br><div class=gmail_quote><div class=gmail_attr>W dniu nd., 22 lis 2026 o 10:00 mailcrm "
        f"&lt;crm@firma.example&gt; napisał(a):<br></div><blockquote class=gmail_quote>{_html(q)}</blockquote></div>",
    ),
    "HTML with a rule": lambda q: (
        "html",
        f"<div><p>2</p><p>Anna Nowak<br>ul. Długa 1</p></div><div id=divRplyFwdMsg><b>From:</b> mailcrm<br>"
        f"<b>Sent:</b> Sunday<br><b>To:</b> Anna<br><b>Subject:</b> x</div>{_html(q)}",
    ),
}


def _parsed(tmp_path: Path, raw: bytes) -> Message:
    return parse(raw, Blobs(tmp_path / "parsed", durable=False), Parsing())


@pytest.mark.parametrize("client", CLIENTS)
def test_the_reply_of_any_mail_program_is_read(asked: House, tmp_path: Path, client: str) -> None:
    (question,) = asked.mails()
    kind, text = CLIENTS[client](question)
    answer = EmailMessage(policy=policy.SMTP)
    answer["From"], answer["To"], answer["Subject"] = ANNA, "crm@firma.example", f"Re: {question['Subject']}"
    answer["Date"], answer["Message-ID"] = question["Date"], f"<{client.replace(' ', '-')}@firma.example>"
    answer.set_content(text, subtype=kind)
    token = str(question["Message-ID"])
    raw = f"In-Reply-To: {token}\r\nReferences: {token} {token}\r\n".encode() + bytes(answer)
    by_drop_box(asked, _parsed(tmp_path, raw))
    assert asked.kinds() == ["question"]
    assert asked.choice().answer == 2


def test_our_question_is_known_though_a_relay_renamed_it(asked: House, tmp_path: Path) -> None:
    with asked.context.db.read() as connection:
        (stored,) = outbox.listed(connection)
    secret = asked.context.secret
    assert is_question(_parsed(tmp_path, stored.content), secret)
    renamed = stored.content.replace(b"Message-ID: <q.", b"Message-ID: <ses.", 1)
    assert is_question(_parsed(tmp_path, renamed), secret)


def test_a_digest_of_many_keeps_its_token_whole(house: House) -> None:
    house.deals("Dach", "Garaż")
    house.context = replace(house.context, config=_with_questions(house.context, 0))
    house.at(datetime(2026, 11, 22, 15, 0, tzinfo=UTC))
    house.take(*(mail(number, subject=f"S {number}", age=timedelta(hours=-6)) for number in range(25)))
    ask_due(house.context)
    with house.context.db.read() as connection:
        (stored,) = outbox.listed(connection)
    head = stored.content.partition(b"\r\n\r\n")[0]
    assert f"Message-ID: <{stored.message_id}>\r\n".encode() in head
    assert max(len(line) for line in stored.content.split(b"\r\n")) < 998
    assert b"\n" not in stored.content.replace(b"\r\n", b"")
    by_drop_box(house, mail("d", sender=ANNA, to="crm@firma.example", text="V 1", in_reply_to=(stored.message_id,)))
    assert house.choice(20).answer == 1


def test_where_one_folder_holds_everything_the_reply_is_found_there(asked: House) -> None:
    """Gmail."""
    arrival = Arrival(uid=3, received_at=NOW, content=(reply(asked, "2"), classify(reply(asked, "2"))))
    ingest(asked.context, Batch("anna", "[Gmail]/All Mail", FolderRole.ALL, (arrival,), Cursor(1, 3)))
    assert (asked.choice().answer, asked.choice().answered_via) == (2, "reply")


def test_a_keyword_answers_in_the_reps_own_mailbox(asked: House) -> None:
    arrival = Arrival(uid=7, received_at=NOW, content=(mail(1), classify(mail(1))), flags=("$crm2",))
    theirs = Batch("jan", "INBOX", FolderRole.INBOX, (arrival,), Cursor(1, 7))
    ingest(asked.context, theirs)
    assert asked.choice().state == "open"
    ingest(asked.context, replace(theirs, mailbox="anna"))
    assert (asked.choice().answer, asked.choice().answered_via) == (2, "keyword")


@pytest.mark.parametrize("folder", [f"CRM/{folder_name(2, 'Garaż')}", "CRM/garaż", "INBOX.CRM.2"])
def test_a_folder_answers(asked: House, folder: str) -> None:
    arrival = Arrival(uid=7, received_at=NOW, content=(mail(1), classify(mail(1))))
    ingest(asked.context, Batch("anna", folder, FolderRole.OTHER, (arrival,), Cursor(1, 7)))
    assert (asked.choice().answer, asked.choice().answered_via) == (2, "folder")


def test_a_folder_of_no_open_deal_answers_nothing(asked: House) -> None:
    arrival = Arrival(uid=7, received_at=NOW, content=(mail(1), classify(mail(1))))
    ingest(asked.context, Batch("anna", "CRM/99 Inne", FolderRole.OTHER, (arrival,), Cursor(1, 7)))
    assert asked.choice().state == "open"


def test_one_chooses_by_command(asked: House) -> None:
    question = choose(asked.context, 1, 2, always=True, by="anna", via="command")
    assert (question.state, question.answer) == ("answered", 2)
    with pytest.raises(Refused, match="anna chose deal 2 by command"):
        choose(asked.context, 1, 1, by="jan", via="command")
    with pytest.raises(NotFound, match="choice list"):
        choose(asked.context, 9, 1, by="jan", via="command")


def test_a_deal_that_was_not_offered_is_refused(asked: House) -> None:
    (other,) = asked.deals("Obce", person="x@inny.example")
    with pytest.raises(Refused, match="1, 2"):
        choose(asked.context, 1, other, by="anna", via="command")
    with pytest.raises(Refused, match="always"):
        choose(asked.context, 1, None, always=True, by="anna", via="command")
    assert asked.choice().state == "open"


def test_a_deal_that_closes_drops_out_and_the_last_one_is_offered_not_taken(asked: House) -> None:
    asked.close(1)
    assert asked.choice().open_numbers == (2,)
    assert asked.choice().state == "open"
    by_drop_box(asked, reply(asked, "1"))
    assert asked.choice().state == "open"
    assert asked.kinds() == ["question", "notice:closed"]
    by_drop_box(asked, reply(asked, "2", "r2"))
    assert asked.choice().answer == 2


def test_a_choice_without_open_deals_is_withdrawn(asked: House) -> None:
    asked.close(1)
    asked.close(2)
    assert asked.choice().state == "withdrawn"
    assert asked.rows(select(tables.thread.c.link)) == [("person",)]
    assert asked.mails() == []
    by_drop_box(asked, reply(asked, "2"))
    assert asked.kinds() == ["question", "notice:withdrawn"]


def test_questions_go_to_configured_users_alone(house: House) -> None:
    house.deals("Dach", "Garaż")
    house.take(mail(1))
    fewer = {"users": {"jan": SETTINGS["users"]["jan"]}, "mailboxes": {"jan": {"user": "jan"}}}
    from mailcrm import config

    parsed = config.parse({**SETTINGS, **fewer}, base=Path())
    house.context = replace(house.context, config=parsed)
    assert house.ask() == []


def test_without_drop_box_the_rep_asks_himself(make: Callable[..., House]) -> None:
    house = make(lmtp={"listen": "127.0.0.1:0"})
    house.deals("Dach", "Garaż")
    house.take(mail(1))
    (question,) = house.ask()
    assert question["Reply-To"] == question["To"] == "anna@firma.example"


def test_an_unreadable_forward_is_told(house: House) -> None:
    forward = mail("f", sender=ANNA, to="crm@firma.example", subject="Fwd: coś", text="nic")
    by_drop_box(house, forward)
    by_drop_box(house, forward)
    assert house.kinds() == ["forward"]
    for number in range(20):
        by_drop_box(house, replace(forward, message_id=f"f{number}@x.example"))
    assert len(house.kinds()) == 10
    stranger = replace(forward, from_=Address("X", "x@evil.example"), message_id="z@x.example")
    by_drop_box(house, stranger)
    assert len(house.kinds()) == 10
