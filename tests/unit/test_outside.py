"""Requests to other programs: signed, bounded, known again, and kept from our own network."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import hmac
import json
import logging
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from mailcrm import Permanent, Reply, Temporary, testing
from mailcrm.app.perform import perform_due
from mailcrm.builtin import outside, webhook
from mailcrm.builtin.outside import Outside
from mailcrm.errors import Refused
from mailcrm.store.db import Database
from tests.flow_kit import Story
from tests.servers import certificate

LOCAL = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
KEY = b"not so secret"


@dataclass
class Server:
    """Answers with ``status`` and ``text``; keeps what it was asked."""

    url: str = ""
    status: int = 200
    text: str = "fine"
    headers: dict[str, str] = field(default_factory=dict)
    hold: threading.Event = field(default_factory=threading.Event)
    asked: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)


def serving(server: Server, tls: ssl.SSLContext | None = None) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            server.asked.append((self.command, self.path, headers, body))
            if server.text == "hang":
                server.hold.wait(20)
            self.send_response(server.status)
            for name, value in server.headers.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                self.wfile.write(server.text.encode("latin-1" if "Content-Encoding" in server.headers else "utf-8"))
            except OSError:
                self.close_connection = True

        do_GET = do_POST  # noqa: N815 - its name in http.server

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        listening.socket = tls.wrap_socket(listening.socket, server_side=True)
    scheme = "https" if tls else "http"
    server.url = f"{scheme}://localhost:{listening.server_address[1]}/in?token=s3cret"
    threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True).start()
    return listening


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    listening = serving(made)
    yield made
    made.hold.set()
    listening.shutdown()
    listening.server_close()


def ask(url: str, way: Outside | None = None, **more: Any) -> Reply:
    way = way or Outside(LOCAL, 5, KEY)
    return asyncio.run(way.request("POST", url, effect="12.3.0", **more))


def test_a_body_is_signed_and_the_key_goes_along(server: Server) -> None:
    assert ask(server.url, body={"name": "Żółw"}, headers={"X-Own": "1", "Host": "evil.example"}) == Reply(200, "fine")
    ((method, path, headers, body),) = server.asked
    assert (method, path) == ("POST", "/in?token=s3cret")
    assert json.loads(body) == {"name": "Żółw"}
    assert headers["content-type"] == "application/json"
    assert headers["idempotency-key"] == "12.3.0"
    assert headers["x-mailcrm-signature"] == "sha256=" + hmac.new(KEY, body, hashlib.sha256).hexdigest()
    assert headers["x-own"] == "1"
    assert headers["host"] == server.url.split("/")[2]


@pytest.mark.parametrize(
    ("body", "sent", "kind"),
    [
        ("plain", b"plain", "text/plain; charset=utf-8"),
        ('{"a": 1}', b'{"a": 1}', "application/json"),
        ([1], b"[1]", "application/json"),
        (None, b"", None),
    ],
)
def test_what_is_sent(server: Server, body: Any, sent: bytes, kind: str | None) -> None:
    ask(server.url, body=body)
    *_, headers, received = server.asked[0]
    assert (received, headers.get("content-type")) == (sent, kind)
    assert ("x-mailcrm-signature" in headers) == (body is not None)


@pytest.mark.parametrize(
    ("status", "error"),
    [(301, Permanent), (404, Permanent), (422, Permanent), (408, Temporary), (429, Temporary), (503, Temporary)],
)
def test_whether_to_try_again(server: Server, status: int, error: type[Exception]) -> None:
    server.status, server.text = status, "because\nof\x1b that"
    server.headers = {"Location": "http://127.0.0.1:1/"}
    with pytest.raises(error, match=rf"^http://localhost:\d+/in answered {status}: because of that") as caught:
        ask(server.url)
    assert "s3cret" not in str(caught.value)
    assert len(server.asked) == 1  # no redirect is followed
    assert ("send us elsewhere" in str(caught.value)) == (status == 301)


def test_a_long_answer_is_cut(server: Server) -> None:
    server.text = "x" * 1_000_000
    assert len(ask(server.url).text) == 64_000


def test_what_is_packed_is_not_unpacked(server: Server) -> None:
    server.text = gzip.compress(b"x" * 1_000_000).decode("latin-1")
    server.headers = {"Content-Encoding": "gzip"}
    assert len(ask(server.url, headers={"Accept-Encoding": "gzip"}).text) < 10_000
    *_, headers, _ = server.asked[0]
    assert headers["accept-encoding"] == "identity"


def test_no_secret_of_an_address_is_in_the_log(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    assert ask(server.url.replace("//", "//anna:pa55word@"), body={"key": "c0de"}).status == 200
    server.status = 500
    with pytest.raises(Temporary):
        ask(server.url)
    assert [each for each in ("s3cret", "pa55word", "c0de") if each in caplog.text] == []


def test_a_server_that_hangs(server: Server) -> None:
    server.text = "hang"
    with pytest.raises(Temporary, match=r"did not answer within 0\.3 s"):
        ask(server.url, Outside(LOCAL, 0.3, KEY))


def test_a_body_that_can_not_be_sent(server: Server) -> None:
    for body in ("x" * 1_000_001, {"x": float("nan")}, {"x": object()}):
        with pytest.raises(Refused, match="body"):
            ask(server.url, body=body)
    assert server.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "https://localhost/",
        "https://10.1.0.7/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[2002:7f00:1::]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[64:ff9b:1::1]/",
        "https://0.0.0.0/",
        "https://0x7f.1/",
        "https://[::127.0.0.1]/",
        "https://[fec0::1]/",
        "https://224.0.0.1/",
    ],
)
def test_our_own_network_is_not_asked(url: str) -> None:
    with pytest.raises((Refused, Temporary), match=r"is not a public address|can't be resolved"):
        ask(url, Outside((), 2, KEY))


def answers(monkeypatch: pytest.MonkeyPatch, *turns: tuple[str, ...]) -> list[str]:
    """What a name server of theirs says to each question, the last time from then on; gives what was asked."""
    asked: list[str] = []

    def resolve(host: Any, port: Any, *_: Any, **__: Any) -> list[Any]:
        asked.append(str(host))
        turn = turns[min(len(asked), len(turns)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in turn]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return asked


def test_a_name_is_asked_for_once_so_it_can_not_change_its_mind(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: where 127.0.0.1 may be asked, and the name leads to 127.0.0.2 a moment later."""
    port = int(server.url.split(":")[2].partition("/")[0])
    asked = answers(monkeypatch, ("127.0.0.1",), ("127.0.0.2",))
    way = Outside((ip_network("127.0.0.1/32"),), 2, KEY)
    assert ask(f"http://rebind.example:{port}/", way).status == 200
    assert asked == ["rebind.example"]
    *_, headers, _ = server.asked[0]
    assert headers["host"] == f"rebind.example:{port}"


def test_a_name_with_one_address_of_ours_among_others_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, ("8.8.8.8", "10.0.0.1"))
    with pytest.raises(Refused, match=r"mixed\.example is 10\.0\.0\.1, which is not a public address"):
        ask("https://mixed.example/", Outside((), 2, KEY))


def test_a_proxy_of_the_surroundings_is_not_asked_in_our_place(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert ask(server.url).status == 200


@pytest.mark.parametrize("url", ["ftp://firma.example/", "firma.example", "", "https://", "file:///etc/passwd"])
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(Refused, match="address"):
        ask(url)


def test_plain_http_only_where_it_is_allowed() -> None:
    with pytest.raises(Refused, match="without encryption"):
        ask("http://192.0.43.8/", Outside(LOCAL, 2, KEY))


@pytest.mark.parametrize("text", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"])
def test_public_addresses(text: str) -> None:
    assert outside._is_public(ip_address(text))


def test_a_certificate_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate.write(tmp_path / "cert.pem", tmp_path / "key.pem")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    made = Server()
    listening = serving(made, tls)
    try:
        with pytest.raises(Temporary, match="CERTIFICATE_VERIFY_FAILED"):
            ask(made.url)
        trusting = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
        monkeypatch.setattr(outside, "_tls", lambda: trusting)
        assert ask(made.url, body={}).status == 200  # by name, though connected to by address
    finally:
        listening.shutdown()
        listening.server_close()


def test_a_server_that_is_away() -> None:
    with pytest.raises(Temporary, match="can't be reached"):
        ask("http://127.0.0.1:1/")


# --- webhook.call ------------------------------------------------------------------------------------------------


def called(tmp_path: Path, **args: Any) -> Any:
    hands = testing.Reach(tmp_path)
    asyncio.run(webhook.run(hands, testing.effect("webhook.call", url="https://x.example/in", **args)))
    ((method, url, body, _),) = hands.requests
    assert (method, url) == ("POST", "https://x.example/in")
    return body


def test_the_body_is_filled_in(tmp_path: Path) -> None:
    given = {"who": "{{ person.first_name }}", "list": ["{{ person.email }}", 5], "in": {"flag": True}}
    assert called(tmp_path, body=given) == {"who": "Jan", "list": ["jan@klient.example", 5], "in": {"flag": True}}
    assert called(tmp_path, body="Hi {{ person.name }}") == "Hi Jan Kowalski"
    person = {"id": 3, "name": "Jan Kowalski", "email": "jan@klient.example"}
    assert called(tmp_path) == {"key": "12.3.0", "at": testing.NOW.isoformat(), "person": person}


FLOW = """
kind = "workflow"
name = "Caller"
[nodes.in]
on = "tag.added"
where = { tag = "go" }
next = "call"
[nodes.call]
do = "webhook.call"
with = { url = "URL", body = { email = "{{ person.email }}" } }
next = "mark"
[nodes.mark]
do = "tag.add"
with = { tag = "called" }
next = "end"
[nodes.end]
end = "all"
"""


def test_a_flow_calls_and_goes_on(database: Database, tmp_path: Path, server: Server) -> None:
    story = Story(database, tmp_path, outside={"allow": ["127.0.0.1", "::1"]})
    flow, ewa = story.flow(FLOW.replace("URL", server.url)), story.person(emails=("ewa@klient.example",))
    server.status = 503
    story.react("tag.added", ewa, tag="go")
    assert perform_due(story.context).delayed == 1
    assert story.at(flow, ewa) == ["call"]
    server.status = 200
    story.now = story.now.replace(hour=12)
    assert perform_due(story.context).done == 1
    story.run()
    assert (story.statuses(flow), story.tags(ewa)) == (["completed"], ["called"])
    keys = {headers["idempotency-key"] for _, _, headers, _ in server.asked}
    (run,) = story.runs(flow)
    assert len(server.asked) == 2
    assert len(keys) == 1  # the same at both tries
    assert keys.pop().startswith(f"{run.id}.")
    *_, headers, body = server.asked[-1]
    assert json.loads(body) == {"email": "ewa@klient.example"}
    assert headers["x-mailcrm-signature"] == "sha256=" + hmac.new(KEY, body, hashlib.sha256).hexdigest()


def test_a_server_that_refuses_fails_the_run(database: Database, tmp_path: Path, server: Server) -> None:
    story = Story(database, tmp_path, outside={"allow": ["127.0.0.1", "::1"]})
    flow, ewa = story.flow(FLOW.replace("URL", server.url)), story.person(emails=("ewa@klient.example",))
    server.status = 410
    story.react("tag.added", ewa, tag="go")
    assert perform_due(story.context).failed == 1
    story.run()
    (run,) = story.runs(flow)
    assert run.status == "failed"
    assert "answered 410" in run.reason
    assert story.tags(ewa) == []
