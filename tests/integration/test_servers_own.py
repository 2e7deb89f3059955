"""The private servers that other tests stand on do what those tests take for granted."""

from __future__ import annotations

import base64
import json
import smtplib
import ssl
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import psycopg
import pytest
from imapclient import IMAPClient
from imapclient.exceptions import LoginError

from mailcrm.store import tables
from mailcrm.store.db import Database
from tests.servers import Dovecot, Postfix, Sink, wait_until
from tests.servers.pymap import Pymap

RAW = b"From: jan@klient.example\r\nSubject: Oferta\r\nMessage-ID: <1@klient.example>\r\n\r\nDzie\xc5\x84 dobry\r\n"


def test_a_database_is_fresh_and_takes_statements(postgres_url: str) -> None:
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)
        connection.execute("CREATE TABLE person (id int)")


def test_each_test_gets_a_database_with_tables_and_without_rows(database: Database) -> None:
    with database.write() as connection:
        connection.execute(tables.tag.insert().values(name="vip"))
        assert connection.execute(tables.tag.select()).one().name == "vip"


def test_a_row_of_another_test_is_not_there(database: Database) -> None:
    with database.read() as connection:
        assert connection.execute(tables.tag.select()).all() == []


def test_the_sink_keeps_mail_and_refuses_on_demand(sink: Sink) -> None:
    with smtplib.SMTP(sink.host, sink.port) as smtp:
        smtp.sendmail("anna@firma.example", ["jan@klient.example"], RAW)
        assert sink.wait_for()[0].message["subject"] == "Oferta"
        sink.refuse("550 5.1.1 no such user", matching=lambda address: address.startswith("nobody@"))
        sink.refuse("451 4.3.0 later", stage="DATA", times=1)
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            smtp.sendmail("anna@firma.example", ["nobody@klient.example"], RAW)
        with pytest.raises(smtplib.SMTPDataError):
            smtp.sendmail("anna@firma.example", ["jan@klient.example"], RAW)
        smtp.sendmail("anna@firma.example", ["jan@klient.example"], RAW)
    assert len(sink.wait_for(2)) == 2


def test_pymap_has_neither_condstore_nor_other_peoples_mail(pymap: Pymap) -> None:
    user = pymap.new_user()
    pymap.deliver(user, RAW)
    with pymap.client(user) as client:
        assert not client.has_capability("CONDSTORE")
        assert client.select_folder("INBOX")[b"EXISTS"] == 1
    with pymap.client(pymap.new_user()) as client:
        assert client.select_folder("INBOX")[b"EXISTS"] == 0


@pytest.mark.servers
def test_dovecot_speaks_the_extensions_that_are_used(dovecot: Dovecot) -> None:
    with dovecot.client(dovecot.new_user()) as client:
        assert {b"CONDSTORE", b"QRESYNC", b"NOTIFY", b"IDLE", b"UIDPLUS", b"SPECIAL-USE"} <= set(client.capabilities())
        roles = {flag for flags, _, _ in client.list_folders() for flag in flags}
        assert {b"\\Sent", b"\\Drafts", b"\\Junk", b"\\Trash"} <= roles


@pytest.mark.servers
def test_dovecot_takes_mail_and_survives_a_restart() -> None:
    with Dovecot() as server:
        user = server.new_user()
        server.deliver(user, RAW)
        server.stop()
        server.start()
        with server.client(user) as client:
            assert client.select_folder("INBOX")[b"EXISTS"] == 1


@pytest.mark.servers
def test_dovecot_fills_a_mailbox_in_order(dovecot: Dovecot) -> None:
    user = dovecot.new_user()
    mails = [(datetime(2026, 1, day, tzinfo=UTC), RAW.replace(b"<1@", b"<%d@" % day)) for day in range(1, 21)]
    assert dovecot.fill(user, mails) == 20
    with dovecot.client(user) as client:
        client.select_folder("INBOX")
        found = client.fetch(range(1, 21), ["ENVELOPE"])
    assert [found[uid][b"ENVELOPE"].message_id for uid in sorted(found)] == [
        b"<%d@klient.example>" % day for day in range(1, 21)
    ]


@pytest.mark.servers
def test_dovecot_knows_a_master_user_and_refuses_others(dovecot: Dovecot) -> None:
    user = dovecot.new_user()
    context = ssl.create_default_context(cafile=str(dovecot.certificate))
    with IMAPClient(dovecot.host, dovecot.tls_port, ssl=True, ssl_context=context) as client:
        client.login(f"{user}*{dovecot.MASTER}", dovecot.MASTER_PASSWORD)
    for name, password in ((user, "wrong"), (f"{user}*{dovecot.MASTER}", dovecot.PASSWORD)):
        with IMAPClient(dovecot.host, dovecot.port, ssl=False) as client, pytest.raises(LoginError):
            client.login(name, password)


@pytest.mark.servers
def test_postfix_delivers_ours_and_relays_the_rest(postfix: Postfix, dovecot: Dovecot, sink: Sink) -> None:
    ours = f"{dovecot.new_user()}@firma.example"
    postfix.send("jan@klient.example", [ours, "ola@inna.example"], RAW)
    assert sink.wait_for()[0].rcpt_tos == ("ola@inna.example",)

    def arrived() -> bool:
        with dovecot.client(ours) as client:
            return bool(client.select_folder("INBOX")[b"EXISTS"])

    wait_until(arrived, what="the delivery into Dovecot")


@pytest.mark.servers
def test_dovecot_announces_deliveries_by_http() -> None:
    told: list[tuple[str, dict[str, object]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.append((self.headers["Authorization"], json.loads(body)))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as web:
        Thread(target=web.serve_forever, args=(0.02,), daemon=True).start()
        with Dovecot(hook_url=f"http://dovecot:secret@127.0.0.1:{web.server_port}/hooks/delivery") as server:
            user = server.new_user()
            server.enable_hook(user)
            server.deliver(user, RAW)
            wait_until(lambda: told, what="the announcement")
        web.shutdown()
    [(authorization, body)] = told
    assert base64.b64decode(authorization.removeprefix("Basic ")) == b"dovecot:secret"
    assert (body["user"], body["event"]) == (user, "messageNew")
