"""Handing mail over, through real sockets: what is said in which order, and what each answer means for which mail."""

from __future__ import annotations

import logging
import re
import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from mailcrm import config
from mailcrm.app.handover import Ambiguous, Parcel, RecipientRefused, SenderRefused, Unreachable, route_of
from mailcrm.errors import ConfigError, LoginFailed, MailcrmError, Permanent, Temporary
from mailcrm.mail.oauth import Tokens
from mailcrm.mail.smtp_dial import Dialer
from mailcrm.mail.smtp_line import Manner
from mailcrm.mail.smtp_out import SmtpTransport
from mailcrm.mail.smtp_pool import Pool
from tests.servers import Sink
from tests.servers.certificate import write
from tests.servers.process import free_port, wait_until
from tests.servers.scripted_smtp import HANG_UP, Scripted

MAIL = b"From: crm@firma.example\r\nSubject: x\r\n\r\n.dot\r\n"
QUICK = Manner("", "", bytes, seconds=0.3, end_seconds=0.3, beat=0.05)
Result = str | MailcrmError


def transport(port: int, manner: Manner | None = None, **settings: Any) -> SmtpTransport:
    smarthost = {"host": "127.0.0.1", "port": port, "tls": "none", "connections": 1, **settings}
    return SmtpTransport(config.parse({"smarthost": smarthost}, base=Path()), manner)


def parcels(*contents: bytes) -> list[Parcel]:
    return [
        Parcel(number, "crm@firma.example", f"p{number}@klient.example", content)
        for number, content in enumerate(contents, 1)
    ]


def deliver(over: SmtpTransport, given: Sequence[Parcel], *, stay: bool = False) -> list[Result]:
    """What became of each, in the order given; every one is told of exactly once."""
    told: dict[int, Result] = {}

    def report(parcel: Parcel, result: Result) -> None:
        assert parcel.id not in told
        told[parcel.id] = result

    try:
        over.deliver("smarthost", iter(given), report, lambda: None)
    finally:
        if not stay:
            over.close()
    return [told[each.id] for each in given if each.id in told]


def kinds(results: Sequence[Result]) -> list[type]:
    return [type(each) for each in results]


def test_commands_and_the_next_envelope_travel_together() -> None:  # RFC 2920
    with Scripted() as server:
        taken = deliver(transport(server.port), parcels(MAIL, MAIL, MAIL))
    assert taken == ["2.0.0 kept 1", "2.0.0 kept 2", "2.0.0 kept 3"]
    envelopes = [
        f"MAIL FROM:<crm@firma.example> SIZE={len(MAIL)}\r\nRCPT TO:<p{number}@klient.example>\r\nDATA\r\n".encode()
        for number in (1, 2, 3)
    ]
    body = b"From: crm@firma.example\r\nSubject: x\r\n\r\n..dot\r\n.\r\n"
    hello, *flights, bye = server.flights
    assert hello.startswith(b"EHLO ")
    assert flights == [envelopes[0], body + envelopes[1], body + envelopes[2], body]
    assert bye == b"QUIT\r\n"


def test_without_pipelining_each_command_waits_for_its_answer() -> None:
    with Scripted(offers=()) as server:
        server.answer = lambda command: "550 5.1.1 nobody" if "p2@" in command else ""
        taken = deliver(transport(server.port), parcels(MAIL, MAIL, MAIL))
    assert kinds(taken) == [str, RecipientRefused, str]
    assert len(server.mails) == 2
    assert all(flight.count(b"\r\n") == 1 for flight in server.flights if b"Subject" not in flight)
    assert "RSET" in server.commands  # the refused one's envelope was open


@pytest.mark.parametrize("data", ["354 go on", "503 5.5.1 no recipients"])
def test_a_refused_recipient_shifts_no_answer_to_another_mail(data: str) -> None:
    waiting = {"refused": False}

    def answer(command: str) -> str:
        if command.startswith("RCPT"):
            waiting["refused"] = "p2@" in command
            return "550 5.1.1 no such user" if waiting["refused"] else ""
        return data if command == "DATA" and waiting["refused"] else ""

    def end(content: bytes) -> str:
        return "554 5.5.1 no valid recipients" if waiting["refused"] else ""

    with Scripted(answer=answer, end=end) as server:
        taken = deliver(transport(server.port), parcels(*(b"Subject: %d\r\n\r\nx\r\n" % n for n in range(1, 4))))
    assert kinds(taken) == [str, RecipientRefused, str]
    assert [content[:10] for content in server.mails] == [b"Subject: 1", b"Subject: 3"]
    assert isinstance(taken[1], RecipientRefused)
    assert taken[1].unknown


def test_a_mail_refused_at_its_end_is_that_one() -> None:
    with Scripted(end=lambda content: "554 5.6.0 no" if b"2" in content else "") as server:
        taken = deliver(transport(server.port), parcels(b"S: 1\r\n\r\n", b"S: 2\r\n\r\n", b"S: 3\r\n\r\n"))
    assert kinds(taken) == [str, Permanent, str]
    assert server.connections == 1


@pytest.mark.parametrize(
    ("command", "answer", "kind"),
    [
        ("MAIL", "451 4.3.0 later", Temporary),
        ("RCPT", "450 greylisted", Temporary),
        ("RCPT", "552 5.2.2 mailbox full", Temporary),
        ("RCPT", "550 4.7.1 greylisted", Temporary),
        ("RCPT", "552 too many recipients", Temporary),
        ("RCPT", "550 5.1.1 no such user", RecipientRefused),
        ("RCPT", "550 no such user", RecipientRefused),
        ("RCPT", "550 5.7.1 relaying denied", SenderRefused),
        ("MAIL", "553 5.7.1 not your address", SenderRefused),
        ("MAIL", "550 go away", SenderRefused),
        ("MAIL", "550 5.1.1 no such user", SenderRefused),
        ("RCPT", "550 5.1.0 <anna@firma.example>: Sender address rejected: User unknown", SenderRefused),
        ("MAIL", "501 5.5.4 what is SIZE", Permanent),
        ("MAIL", "552 5.3.4 too long", Permanent),
        ("DATA", "554 5.6.0 no", Permanent),
        ("DATA", "550 5.4.5 daily quota", SenderRefused),
    ],
)
def test_refusals_are_told_apart(command: str, answer: str, kind: type) -> None:
    once = iter([answer])
    with Scripted(answer=lambda said: next(once, "") if said.startswith(command) else "") as server:
        taken = deliver(transport(server.port), parcels(MAIL, MAIL))
    assert kinds(taken) == [kind, str]
    assert answer in str(taken[0])
    assert server.connections == 1  # it is still good


@pytest.mark.parametrize(
    ("answer", "kind", "unknown"),
    [
        ("554 5.7.1 spam", SenderRefused, False),
        ("550 5.1.10 null MX", RecipientRefused, True),
        ("554 no", Permanent, False),
    ],
)
def test_refusals_of_the_whole_mail(answer: str, kind: type, unknown: bool) -> None:
    with Scripted(end=lambda _content: answer) as server:
        taken = deliver(transport(server.port), parcels(MAIL))
    assert kinds(taken) == [kind]
    assert getattr(taken[0], "unknown", False) is unknown


def test_a_server_that_wants_a_login_stops_everything() -> None:
    asked: list[int] = []

    def given() -> Iterator[Parcel]:
        for parcel in parcels(MAIL, MAIL):
            asked.append(parcel.id)
            yield parcel

    with Scripted(answer=lambda said: "530 5.7.0 log in first" if said.startswith("MAIL") else "") as server:
        told: list[Result] = []
        over = transport(server.port)
        with pytest.raises(LoginFailed, match=r"530.*smarthost\.login"):
            over.deliver("smarthost", given(), lambda _parcel, result: told.append(result), lambda: None)
        over.close()
    assert asked == [1]
    assert kinds(told) == [LoginFailed]


def test_lost_after_the_final_dot_is_ambiguous() -> None:
    ends = iter([HANG_UP])
    with Scripted(end=lambda _content: next(ends, "")) as server:
        taken = deliver(transport(server.port), parcels(MAIL, MAIL, MAIL))
    # the second one's envelope was on its way: nothing of it was begun
    assert kinds(taken) == [Ambiguous, Unreachable, str]
    assert server.connections == 2


def test_silence_after_the_final_dot_is_ambiguous_too() -> None:
    over = threading.Event()

    def end(_content: bytes) -> None:
        over.wait(10)

    with Scripted(end=end) as server:
        told: list[Result] = []
        out = transport(server.port, QUICK)
        beats: list[int] = []
        out.deliver("smarthost", iter(parcels(MAIL)), lambda _, result: told.append(result), lambda: beats.append(1))
        over.set()
        out.close()
    assert kinds(told) == [Ambiguous]
    assert len(beats) >= 2  # a lease is kept meanwhile


def test_an_answer_that_comes_byte_by_byte_is_not_waited_for() -> None:
    stop = threading.Event()

    def dripping(sock: socket.socket) -> None:
        with suppress(OSError):
            while not stop.wait(0.05):
                sock.sendall(b"2")

    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            server.close()  # it is not dialled again
            with connection:
                connection.sendall(b"220 here\r\n")
                connection.recv(1000)
                connection.sendall(b"250 PIPELINING\r\n")
                dripping(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        over, told = transport(server.getsockname()[1], QUICK), list[Result]()
        with pytest.raises(Unreachable):
            over.deliver("smarthost", iter(parcels(MAIL)), lambda _parcel, result: told.append(result), lambda: None)
        over.close()
        stop.set()
        thread.join(10)
    assert kinds(told) == [Temporary]
    assert "no answer in time" in str(told[0])


def test_half_a_mail_is_not_ambiguous() -> None:
    large = b"Subject: x\r\n\r\n" + (b"x" * 70 + b"\r\n") * 400_000
    with Scripted(offers=("PIPELINING",), reads=100_000) as server:
        taken = deliver(transport(server.port), parcels(large))
    assert kinds(taken) == [Temporary]
    assert "a part" in str(taken[0])


def test_a_server_that_says_goodbye_costs_only_what_it_was_about() -> None:
    once = iter(["421 4.3.2 closing"])
    with Scripted(answer=lambda said: next(once, "") if said.startswith("RCPT TO:<p2") else "") as server:
        over = transport(server.port)
        assert kinds(deliver(over, parcels(MAIL, MAIL, MAIL), stay=True)) == [str, Unreachable, str]
        server.drop()  # while nothing is to be sent
        assert kinds(deliver(over, parcels(MAIL))) == [str]


def test_a_mail_that_breaks_every_connection_waits_alone() -> None:
    with Scripted(answer=lambda said: HANG_UP if "p1@" in said else "") as server:
        taken = deliver(transport(server.port), parcels(MAIL, MAIL))
    assert kinds(taken) == [Temporary, str]  # it is put off by itself, and holds nobody up


def test_a_server_that_breaks_off_everything_is_left() -> None:
    with Scripted(answer=lambda said: HANG_UP if said.startswith("MAIL") else "") as server:
        asked: list[Parcel] = []
        over = transport(server.port)
        with pytest.raises(Unreachable, match="breaks off"):
            over.deliver("smarthost", iter(parcels(*[MAIL] * 9)), lambda parcel, _: asked.append(parcel), lambda: None)
        over.close()
    assert [each.id for each in asked] == [1, 2, 3]


@pytest.mark.parametrize("words", ["250 2.0.0 kept\r\n250 2.0.0 kept and more", "350 what", "nonsense"])
def test_a_server_out_of_step_is_left(words: str) -> None:
    """An answer too many would be taken for that to another mail."""
    once = iter([words])
    with Scripted(offers=(), answer=lambda said: next(once, "") if said == "RSET" else "") as server:
        answers = iter(["550 5.1.1 no"])
        real = server.answer
        server.answer = lambda said: next(answers, "") if said.startswith("RCPT") else real(said)
        taken = deliver(transport(server.port), parcels(MAIL, MAIL, MAIL))
    assert isinstance(taken[0], RecipientRefused)
    assert kinds(taken[1:]).count(str) == len(server.mails)
    assert server.connections == (1 if words.startswith("350") else 2)


def test_several_connections_each_for_so_many_mails() -> None:
    with Scripted() as server:
        taken = deliver(transport(server.port, connections=3, per_connection=7), parcels(*[MAIL] * 60))
        assert kinds(taken) == [str] * 60
    assert len(server.mails) == 60
    assert 2 <= server.most_at_once <= 3
    assert server.connections >= 9
    assert server.commands.count("QUIT") == server.connections


def test_connections_are_kept_between_batches() -> None:
    with Scripted() as server:
        over = transport(server.port)
        for _ in range(3):
            deliver(over, parcels(MAIL, MAIL), stay=True)
        assert server.connections == 1
        over.close()
        assert server.commands[-1] == "QUIT"


def test_a_server_that_takes_few_connections_gets_no_more() -> None:
    with Scripted() as server:
        server.answer = lambda said: "421 4.7.0 too many" if said.startswith("EHLO") and server.connections > 1 else ""
        over = transport(server.port, connections=5)
        for _ in range(3):
            assert kinds(deliver(over, parcels(*[MAIL] * 40), stay=True)) == [str] * 40
        over.close()
        assert server.connections <= 2


def test_a_connection_refused_once_all_is_sent_is_not_tried_again_at_once() -> None:
    """It is refused while nobody waits for it; the next batch knows."""
    sent = threading.Event()
    with Scripted() as server:

        def answer(said: str) -> str:
            if not said.startswith("EHLO") or server.connections == 1:
                return ""
            sent.wait(10)
            return "421 4.7.0 too many"

        server.answer = answer
        over = transport(server.port, connections=5)
        deliver(over, parcels(*[MAIL] * 40), stay=True)
        wait_until(lambda: server.connections == 2, what="a second connection")
        sent.set()
        wait_until(lambda: all(each.name != "smtp-dial" for each in threading.enumerate()), what="the refusal")
        for _ in range(3):
            deliver(over, parcels(*[MAIL] * 40), stay=True)
        over.close()
        assert server.connections == 2


def test_connections_without_work_are_taken_leave_of() -> None:
    with Scripted() as server:
        settings = config.parse({"smarthost": {"host": "127.0.0.1", "port": server.port, "tls": "none"}}, base=Path())
        assert settings.smarthost
        dialer = Dialer(settings, settings.smarthost, "smarthost", Tokens(settings))
        pool = Pool(dialer, Manner("", "", bytes), 2)
        pool.deliver(iter(parcels(*[MAIL] * 12)), lambda _parcel, _result: None, lambda: None)
        pool.rest(60)
        assert pool.open
        wait_until(lambda: server.connections == 2 and server.commands.count("QUIT") == 0, what="two connections")
        wait_until(lambda: pool.rest(0) or not pool.open, what="no connection")
        assert server.commands.count("QUIT") == 2
        pool.close()


def test_mail_is_asked_for_just_before_its_turn() -> None:  # SEQ-27
    with Scripted() as server:
        seen: list[int] = []

        def given() -> Iterator[Parcel]:
            for parcel in parcels(*[MAIL] * 5):
                seen.append(sum(said.startswith("DATA") for said in server.commands))
                yield parcel

        over = transport(server.port)
        over.deliver("smarthost", given(), lambda _parcel, _result: None, lambda: None)
        over.close()
    assert seen == [0, 1, 2, 3, 4]


def test_a_fault_in_the_giving_loses_no_answer() -> None:
    def given() -> Iterator[Parcel]:
        yield parcels(MAIL)[0]
        raise Temporary("the database is locked")

    with Scripted() as server:
        told: list[Result] = []
        over = transport(server.port)
        with pytest.raises(Temporary, match="locked"):
            over.deliver("smarthost", given(), lambda _parcel, result: told.append(result), lambda: None)
        over.close()
    assert kinds(told) == [str]


def test_a_mail_that_can_not_be_made_ready_stops_no_other() -> None:
    nothing: Any = None
    with Scripted() as server:
        first, second = deliver(transport(server.port), parcels(nothing, MAIL))
    assert isinstance(first, Temporary)
    assert isinstance(second, str)


@pytest.mark.parametrize("recipient", ["", " "])
def test_no_mail_is_without_a_recipient(recipient: str) -> None:
    with Scripted() as server:
        [said] = deliver(transport(server.port), [Parcel(1, "", recipient, MAIL)])
    assert isinstance(said, Permanent)
    assert server.mails == []


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r.\r\n", b"\r\n.\n", b"\r\n.\r", b"\r\n.\r\n"])
@pytest.mark.parametrize("offers", [(), ("PIPELINING",)])
def test_nothing_in_a_mail_ends_it(end: bytes, offers: tuple[str, ...]) -> None:
    """No way to end a mail early, whatever the next server takes for an end: bare CR and LF never leave."""
    smuggled = b"Subject: x\r\n\r\none" + end + b"MAIL FROM:<boss@firma.example>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n"
    with Scripted(offers=offers) as server:
        deliver(transport(server.port), parcels(smuggled))
    assert len(server.mails) == 1
    wire = b"".join(server.flights)
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", wire)
    assert wire.count(b"\r\n.\r\n") == 1


@pytest.mark.parametrize(
    "address",
    ["a@b.example>\r\nRCPT TO:<c@d.example", "a@b.example> NOTIFY=NEVER", "a b@c.example", "a@b\u0085.example",
     "<a@b.example>", "a", "a@", "a@b.example\n", "a\\@b.example", '"a\r\n"@b.example', "a@b@c.example>"],
)  # fmt: skip
def test_an_address_says_no_command(address: str) -> None:
    with Scripted() as server:
        mail = Parcel(1, "crm@firma.example", address, MAIL)
        taken = deliver(transport(server.port), [mail])
    assert kinds(taken) == [Permanent]
    assert not server.mails
    assert [said.split()[0] for said in server.commands] == ["EHLO", "QUIT"]


def test_what_a_mail_needs_is_asked_for() -> None:
    polish = Parcel(1, "crm@firma.example", "żółw@klient.example", "Subject: ż\r\n\r\nż\r\n".encode())
    body = Parcel(2, "", "a@żółw.example", "Subject: x\r\n\r\nż\r\n".encode())
    with Scripted() as server:
        deliver(transport(server.port), [polish, body])
        assert server.commands[1] == "MAIL FROM:<crm@firma.example> SMTPUTF8 BODY=8BITMIME SIZE=19"
        assert server.commands[4] == "MAIL FROM:<> SMTPUTF8 BODY=8BITMIME SIZE=18"
    with Scripted(offers=("SIZE 30",)) as server:
        long = Parcel(3, "crm@firma.example", "a@b.example", MAIL)
        taken = deliver(transport(server.port), [polish, body, long])
        assert kinds(taken) == [Permanent, str, Permanent]
        assert "SMTPUTF8" in str(taken[0])
        assert "at most 30" in str(taken[2])
        assert "RCPT TO:<a@xn--w-uga1v8h.example>" in server.commands


def test_each_mailbox_has_its_own_way_out() -> None:
    with Scripted() as own, Scripted() as common:
        data = {
            "users": {"anna": {"email": "anna@firma.example"}, "jan": {"email": "jan@firma.example"}},
            "mailboxes": {"a": {"user": "anna", "submission": {"host": "127.0.0.1", "port": own.port, "tls": "none"}}},
            "smarthost": {"host": "127.0.0.1", "port": common.port, "tls": "none"},
        }
        settings = config.parse(data, base=Path())
        assert [route_of(settings, user) for user in ("anna", "jan", None)] == ["a", "smarthost", "smarthost"]
        over = SmtpTransport(settings)
        for user in ("anna", "jan"):
            over.deliver(route_of(settings, user), iter(parcels(MAIL)), lambda _parcel, _result: None, lambda: None)
        over.close()
        assert (len(own.mails), len(common.mails)) == (1, 1)
    with pytest.raises(Unreachable, match=f"the server 127.0.0.1:{own.port} can't be reached"):
        SmtpTransport(settings).probe("a")
    with pytest.raises(ConfigError, match=r"\[mailboxes\.b\.submission\]"):
        SmtpTransport(settings).probe("b")


def test_of_several_accounts_the_one_of_the_address_in_from() -> None:
    own = {"host": "h", "password": "x"}
    data = {
        "users": {"anna": {"email": "anna@firma.example"}},
        "mailboxes": {
            "team": {"members": ["anna"], "submission": {**own, "login": "team@firma.example"}},
            "one": {"user": "anna", "submission": {**own, "login": "anna@firma.example"}},
            "two": {"user": "anna", "submission": {**own, "login": "a.nowak@firma.example"}},
        },
    }
    settings = config.parse(data, base=Path())
    assert route_of(settings, "anna") == "one"
    assert route_of(settings, "anna", "A.Nowak@firma.example") == "two"
    assert route_of(settings, "anna", "team@firma.example") == "team"


def test_without_smarthost_the_key_is_named() -> None:
    with pytest.raises(ConfigError, match=r"smarthost\.host"):
        deliver(SmtpTransport(config.parse({}, base=Path())), parcels(MAIL))


def test_an_unreachable_server_is_no_mails_fault() -> None:
    with pytest.raises(Unreachable, match=r"can't be reached: .*refused; check smarthost\.host and port, or start"):
        deliver(transport(free_port()), parcels(MAIL))


def test_an_unfriendly_greeting_is_no_mails_fault() -> None:
    for greeting, kind, words in (
        (b"554 no service \x1b[2J here\r\n", Unreachable, r"554 no service \[2J here"),
        (b"HTTP/1.1 400 no\r\n", ConfigError, r"smarthost\.host"),
        (b"220-" + b"x" * 70_000, ConfigError, "no SMTP"),
        (b"", Unreachable, "closed the connection"),
    ):
        with socket.create_server(("127.0.0.1", 0)) as server:

            def greet(server: socket.socket = server, greeting: bytes = greeting) -> None:
                connection, _ = server.accept()
                with connection:
                    connection.sendall(greeting)

            thread = threading.Thread(target=greet)
            thread.start()
            with pytest.raises(kind, match=words):
                deliver(transport(server.getsockname()[1]), parcels(MAIL))
            thread.join(10)


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_login_and_wrong_password(monkeypatch: pytest.MonkeyPatch) -> None:
    with Sink(login="crm", password="right") as server:
        monkeypatch.setenv("SMARTHOST_PASSWORD", "right")
        secret = {"env": "SMARTHOST_PASSWORD"}
        assert kinds(deliver(transport(server.port, login="crm", password=secret), parcels(MAIL))) == [str]
        monkeypatch.setenv("SMARTHOST_PASSWORD", "wrong")
        with pytest.raises(LoginFailed, match=r"smarthost\.password") as caught:
            deliver(transport(server.port, login="crm", password=secret), parcels(MAIL))
        assert "wrong" not in str(caught.value)
        with pytest.raises(LoginFailed, match=r"530.*smarthost\.login"):
            deliver(transport(server.port), parcels(MAIL))


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
@pytest.mark.parametrize("echo", ["{0}", "{1}", "bad {2}", "no"])
def test_a_password_gets_into_no_log_and_no_error(mechanism: str, echo: str, caplog: pytest.LogCaptureFixture) -> None:
    password = "zażółć-s3cret"
    word = b"\0crm\0" + password.encode()
    told = echo.format(password, b64encode(word).decode(), b64encode(password.encode()).decode())
    steps = {"LOGIN": ["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6"], "CRAM-MD5": ["334 PDE+"], "PLAIN": []}[mechanism]
    left = [*steps, f"535 5.7.8 {told}"]
    caplog.set_level(logging.DEBUG)
    with Scripted(offers=("AUTH " + mechanism, "AUTH=OLD")) as server:
        server.answer = lambda said: "" if said.startswith(("EHLO", "QUIT")) else left.pop(0)
        with pytest.raises(LoginFailed, match=r"535.*smarthost\.password") as caught:
            deliver(transport(server.port, login="crm", password=password), parcels(MAIL))
    assert not left
    assert "s3cret" not in str(caught.value) + caplog.text
    assert b64encode(password.encode()).decode()[:12] not in str(caught.value) + caplog.text


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    folder = tmp_path_factory.mktemp("tls")
    write(folder / "cert.pem", folder / "key.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return folder / "cert.pem", context


def test_what_is_said_before_tls_counts_for_nothing(certified: tuple[Path, ssl.SSLContext]) -> None:
    """Somebody in between adds answers behind the 220 to STARTTLS (CVE-2011-0411, the client's side)."""
    certificate, context = certified
    false = (
        b"250-evil\r\n250-PIPELINING\r\n250 AUTH LOGIN\r\n235 in\r\n250 taken\r\n250 taken\r\n354 go\r\n250 taken\r\n"
    )
    with Scripted(
        offers=("STARTTLS", "PIPELINING", "AUTH LOGIN"), tls=context, behind_tls=false, offers_in_tls=("AUTH PLAIN",)
    ) as server:
        server.answer = lambda said: "235 in" if said.startswith("AUTH PLAIN") else ""
        over = transport(server.port, tls="starttls", tls_ca=str(certificate), login="crm", password="x")
        assert deliver(over, parcels(MAIL)) == ["2.0.0 kept 1"]
    assert [said.split()[0] for said in server.commands] == [
        "EHLO", "STARTTLS", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "QUIT",
    ]  # fmt: skip
    assert len(server.mails) == 1


def test_no_password_is_said_where_starttls_is_taken_away() -> None:
    with Scripted(offers=("AUTH PLAIN",)) as server:
        with pytest.raises(ConfigError, match=r"no STARTTLS.*smarthost\.tls"):
            deliver(transport(server.port, tls="starttls", login="crm", password="x"), parcels(MAIL))
        assert [said.split()[0] for said in server.commands] == ["EHLO"]


class _Server(Controller):
    def _trigger_server(self) -> None:
        """The library's own first connection would use the server's context as a client's."""
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        with socket.create_connection((self.hostname, self.port), 5) as plain:
            if self.ssl_context is None:
                plain.recv(1024)
            else:
                with trusting.wrap_socket(plain) as wrapped:
                    wrapped.recv(1024)


@pytest.fixture(params=["implicit", "starttls"])
def tls(request: pytest.FixtureRequest, certified: tuple[Path, ssl.SSLContext]) -> Iterator[tuple[str, int, Path]]:
    certificate, context = certified
    how = {"ssl_context": context} if request.param == "implicit" else {"tls_context": context}
    controller = _Server(Sink(), hostname="127.0.0.1", port=free_port(), **how)
    controller.start()
    yield request.param, controller.port, certificate
    controller.stop()


def test_mail_goes_over_tls(tls: tuple[str, int, Path]) -> None:
    how, port, certificate = tls
    large = b"Subject: x\r\n\r\n" + (b"x" * 76 + b"\r\n") * 30_000
    over = transport(port, tls=how, tls_ca=str(certificate))
    assert deliver(over, parcels(MAIL, large, MAIL)) == ["2.0.0 kept"] * 3


# aiosmtpd leaves its end of the connection open when a handshake is broken off
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore:unclosed:ResourceWarning")
def test_a_certificate_that_is_not_trusted_names_the_mend(tls: tuple[str, int, Path]) -> None:
    how, port, _ = tls
    with pytest.raises(ConfigError, match=r"not trusted.*smarthost\.tls_ca"):
        deliver(transport(port, tls=how), parcels(MAIL))


def test_a_server_without_tls_is_a_configuration_error(sink: Sink) -> None:
    for how in ("implicit", "starttls"):
        with pytest.raises(ConfigError, match=r"smarthost\.tls"):
            deliver(transport(sink.port, tls=how), parcels(MAIL))


def test_a_missing_ca_file_is_named(sink: Sink) -> None:
    with pytest.raises(ConfigError, match=r"smarthost\.tls_ca"):
        deliver(transport(sink.port, tls="starttls", tls_ca="no.pem"), parcels(MAIL))
