"""Signatures of outgoing mail, judged by dkimpy; the record in DNS; keys that are none."""

from __future__ import annotations

import json
import re
import socketserver
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import dkim as oracle
import dns.message
import dns.resolver
import dns.rrset
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import settings as settle
from hypothesis import strategies as st

from mailcrm import config
from mailcrm.app.handover import Parcel, Unsigned
from mailcrm.cli.app import main
from mailcrm.errors import ConfigError, MailcrmError, Temporary
from mailcrm.mail import dkim, dkim_record
from mailcrm.mail.dkim import Signer, author_domain, relaxed_body
from mailcrm.mail.smtp_out import SmtpTransport
from mailcrm.mail.smtp_wire import strict
from tests.servers.scripted_smtp import Scripted

MAIL = (
    b"From: Anna Nowak <anna@firma.example>\r\nTo: =?utf-8?q?Jan?=\r\n\t<jan@klient.example>\r\n"
    b"Subject:  An \t offer \r\n"
    b"Date: Sun, 22 Nov 2026 10:00:00 +0100\r\nMessage-ID: <1@firma.example>\r\nReferences: <a@b>\r\n <c@d>\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: text/plain;\r\n charset=utf-8\r\n"
    b"List-Unsubscribe: <https://crm.firma.example/u/x>,\r\n <mailto:crm@firma.example>\r\n"
    b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nX-Other: y\r\n\r\n"
    b"Dear \t Jan,  \r\n\r\n.\r\n  yours\t\r\n\r\n\r\n"
)
AT = 1_795_000_000


def pem(key: Any, secret: bytes | None = None) -> str:
    encryption = BestAvailableEncryption(secret) if secret else NoEncryption()
    return str(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode())


RSA = generate_private_key(65537, 2048)
ED = Ed25519PrivateKey.generate()
KEYS: dict[str, RSAPrivateKey | Ed25519PrivateKey] = {"rsa": RSA, "ed25519": ED}


def settings(key: Any = RSA, domain: str = "firma.example", **more: Any) -> config.Config:
    return config.parse({"dkim": {domain: {"selector": "crm", "key": pem(key)}}, **more}, base=Path())


@cache
def record(key: Any, domain: str = "firma.example") -> Callable[..., bytes]:
    ours = dkim.load(settings(key, domain), domain, settings(key, domain).dkim[domain])

    def answer(name: bytes, timeout: int = 5) -> bytes:
        assert name == dkim_record.name_of(ours).encode() + b"."
        return dkim_record.record(ours).encode()

    return answer


def verified(mail: bytes, key: Any = RSA) -> bool:
    return bool(oracle.verify(mail, dnsfunc=record(key)))


@cache
def signer(key: Any) -> Signer:
    return Signer(settings(key), lambda: AT)


def signed(mail: bytes, key: Any = RSA) -> bytes:
    return signer(key).signed(mail)


@pytest.mark.parametrize("kind", KEYS)
def test_others_find_the_signature_right(kind: str) -> None:
    mail = signed(MAIL, KEYS[kind])
    assert mail.endswith(MAIL)
    assert verified(mail, KEYS[kind])
    head = mail.partition(b"\r\nFrom:")[0]
    assert f"a={kind}-sha256; c=relaxed/relaxed; d=firma.example; s=crm;\r\n t={AT};".encode() in head
    assert max(map(len, head.split(b"\r\n"))) < 90


_BLANK = st.sampled_from([b" ", b"\t", b"  ", b"\r\n ", b"\r\n\t", b" \r\n  "])
_WORD = st.sampled_from([b"a", b"Offer", b".", b"=?utf-8?q?=C5=BC?=", b"x" * 70, b"<a@b.example>", b":", b";"])
_TEXT = st.lists(st.one_of(_BLANK, _WORD), max_size=12).map(b"".join)
_NAMES = st.sampled_from(
    [b"To", b"Cc", b"SUBJECT", b"Subject", b"Date", b"Reply-To", b"List-Unsubscribe", b"List-Unsubscribe-Post", b"X-Y"]
)
_LINE = st.lists(st.sampled_from([b" ", b"\t", b"x", b".", b"\xc5\xbc", b"-- "]), max_size=6).map(b"".join)


def _whole(value: bytes) -> bytes:
    """Folded so that no line of it is blank."""
    return b"v" + re.sub(rb"\r\n[ \t]+(?=\r\n|$)", b"\r\n e", value + b"e")


@settle(max_examples=60)
@given(st.lists(st.tuples(_NAMES, _TEXT), max_size=6), st.lists(_LINE, max_size=8), st.sampled_from(sorted(KEYS)))
def test_whatever_the_mail_looks_like(fields: list[tuple[bytes, bytes]], lines: list[bytes], kind: str) -> None:
    head = b"".join(name + b":" + _whole(value) + b"\r\n" for name, value in fields)
    mail = head + b"From: anna@firma.example\r\n\r\n" + b"".join(line + b"\r\n" for line in lines)
    assert verified(signed(strict(mail), KEYS[kind]), KEYS[kind])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"\r\nFrom:", b"\r\nFrom: boss@evil.example\r\nFrom:"),
        (b"\r\nSubject:", b"\r\nSubject: Pay now\r\nSubject:"),
        (b"\r\nDate:", b"\r\nReply-To: boss@evil.example\r\nDate:"),
        (b"\r\nDate:", b"\r\nCc: boss@evil.example\r\nDate:"),
        (b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n", b""),
        (b"https://crm.firma.example/u/x", b"https://evil.example/u/x"),
        (b"<1@firma.example>", b"<2@firma.example>"),
        (b"yours", b"ours"),
    ],
)
def test_what_is_changed_or_added_on_the_way_shows(old: bytes, new: bytes) -> None:
    mail = signed(MAIL)
    assert old in mail
    assert not verified(mail.replace(old, new))
    assert verified(mail.replace(b"X-Other: y", b"X-Other: z"))  # not everything is signed


def test_one_body_in_many_spellings() -> None:  # RFC 6376 section 3.4.5
    assert relaxed_body(b" C \r\nD \t E\r\n\r\n\r\n") == b" C\r\nD E\r\n"
    assert relaxed_body(b"\r\n\r\n") == relaxed_body(b" \t\r\n") == relaxed_body(b"") == b""


@pytest.mark.parametrize(
    ("value", "domain"),
    [
        (b"anna@firma.example", "firma.example"),
        (b" Anna <anna@FIRMA.example>\r\n ", "firma.example"),
        (b'"a@evil.example" <anna@firma.example>', "firma.example"),
        ('"Ż" <a@żółw.example>'.encode(), "xn--w-uga1v8h.example"),
        (b"anna@firma.example, jan@evil.example", ""),
        (b"anna@evil.example (anna@firma.example)", ""),
        (b"nobody", ""),
        (b"", ""),
    ],
)
def test_whose_mail_it_is(value: bytes, domain: str) -> None:
    assert author_domain([(b"from", value)]) == domain


def test_only_mail_of_the_domain_is_signed() -> None:
    for other in (
        MAIL.replace(b"@firma.example>\r\nTo", b"@other.example>\r\nTo"),
        b"From: jan@other.example\r\n" + MAIL,
        MAIL.replace(b"From: Anna", b"X: Anna"),
        b"no header at all\r\n",
        b"",
    ):
        assert signed(other) == other


def test_a_domain_beyond_ascii_is_signed_under_its_name_in_dns() -> None:
    mail = "From: a@żółw.example\r\nTo: b@klient.example\r\n\r\nx\r\n".encode()
    done = Signer(settings(domain="żółw.example")).signed(mail)
    assert b"d=xn--w-uga1v8h.example;" in done
    assert oracle.verify(done, dnsfunc=record(RSA, "żółw.example"))


def test_what_is_signed_is_what_leaves() -> None:
    """Lines are mended first and dots stuffed last; neither breaks the signature."""
    mail = b"From: anna@firma.example\nTo: b@klient.example\n\n.one\n..two\r.three"
    with Scripted() as server:
        over = SmtpTransport(settings(smarthost={"host": "127.0.0.1", "port": server.port, "tls": "none"}))
        parcel = Parcel(1, "anna@firma.example", "b@klient.example", mail)
        over.deliver("smarthost", iter([parcel]), lambda _parcel, _result: None, lambda: None)
        over.close()
    [kept] = server.mails
    received = b"".join(line.removeprefix(b".") for line in kept.splitlines(keepends=True))
    assert verified(received)
    assert received.endswith(b"\r\n\r\n.one\r\n..two\r\n.three\r\n")


def test_keys_that_are_none_are_named(tmp_path: Path) -> None:
    where = r'dkim\."firma\.example"\.'
    for text, words in (
        ("nonsense", "no private key in PEM"),
        (pem(RSA, b"secret"), "without a passphrase"),
        (pem(generate_private_key(65537, 1024)), "1024 bits"),
        (pem(ec.generate_private_key(ec.SECP256R1())), "neither RSA nor Ed25519"),
    ):
        given_ = config.parse({"dkim": {"firma.example": {"selector": "crm", "key": text}}}, base=tmp_path)
        with pytest.raises(ConfigError, match=f"{where}key.*{words}.*openssl genpkey") as caught:
            Signer(given_).signed(MAIL)
        assert "PRIVATE KEY" not in str(caught.value)
    missing = config.parse({"dkim": {"firma.example": {"selector": "crm", "key": {"file": "no.pem"}}}}, base=tmp_path)
    with pytest.raises(ConfigError, match=where + "key.*no.pem"):
        Signer(missing).signed(MAIL)
    odd = config.parse({"dkim": {"firma.example": {"selector": "a; b", "key": pem(RSA)}}}, base=tmp_path)
    with pytest.raises(ConfigError, match=where + "selector"):
        Signer(odd).signed(MAIL)


def test_a_key_that_can_not_be_read_holds_up_its_own_domain_alone() -> None:
    told: dict[int, str | MailcrmError] = {}
    with Scripted() as server:
        smarthost = {"host": "127.0.0.1", "port": server.port, "tls": "none"}
        keys = {"firma.example": {"selector": "crm", "key": "none"}}
        over = SmtpTransport(config.parse({"smarthost": smarthost, "dkim": keys}, base=Path()))
        mails = [
            Parcel(number, f"anna@{domain}", "b@klient.example", b"From: anna@%s\r\n\r\nx\r\n" % domain.encode())
            for number, domain in enumerate(("firma.example", "other.example"))
        ]
        over.deliver("smarthost", iter(mails), lambda parcel, said: told.update({parcel.id: said}), lambda: None)
        over.close()
    assert isinstance(told[0], Unsigned)
    assert isinstance(told[1], str)


@pytest.mark.parametrize("kind", KEYS)
def test_what_is_to_stand_in_dns(kind: str) -> None:
    given_ = settings(KEYS[kind])
    key = dkim.load(given_, "firma.example", given_.dkim["firma.example"])
    right = dkim_record.record(key)
    name = "crm._domainkey.firma.example"
    other = "v=DKIM1; p=" + b64encode(b"another").decode()

    def none(_name: str) -> list[str]:
        raise Temporary("no answer")

    for lookup, state, words in (
        (lambda _: [right], "ok", name),
        (lambda _: ["x", right.replace("p=", "p = ").replace("A", "A ")], "ok", name),
        (lambda _: [], "fault", f'not in DNS.*publish it: {name} TXT "v=DKIM1; k={kind}; p='),
        (lambda _: [other], "fault", "another key"),
        (lambda _: ["v=DKIM1; p="], "fault", "revoked"),
        (none, "note", "can't tell"),
    ):
        found, text = dkim_record.published(key, lookup)
        assert found == state
        assert re.search(words, text), text


class _Dns(socketserver.BaseRequestHandler):
    """Knows one name, whose record is longer than 255 bytes; of another one there is no record; the rest is refused."""

    def handle(self) -> None:
        data, sock = self.request
        query = dns.message.from_wire(data)
        answer = dns.message.make_response(query)
        name = query.question[0].name
        if name.labels[0] == b"crm":
            text = f'"{"a" * 250}" "{"b" * 250}"'
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", "TXT", text))
        elif name.labels[0] == b"gone":
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif name.labels[0] != b"empty":
            answer.set_rcode(dns.rcode.REFUSED)
        sock.sendto(answer.to_wire(), self.client_address)


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with socketserver.UDPServer(("127.0.0.1", 0), _Dns) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        asking = dns.resolver.Resolver(configure=False)
        asking.nameservers, asking.port = ["127.0.0.1"], server.server_address[1]
        monkeypatch.setattr(dns.resolver, "default_resolver", asking)
        yield
        server.shutdown()
        thread.join()


def test_dns_is_asked(resolver: None) -> None:
    assert dkim_record.looked_up("crm.firma.example") == ["a" * 250 + "b" * 250]
    assert dkim_record.looked_up("gone.firma.example") == []
    assert dkim_record.looked_up("empty.firma.example") == []
    with pytest.raises(Temporary, match="DNS"):
        dkim_record.looked_up("refused.firma.example")


def test_check_names_keys_that_are_missing_malformed_or_not_published(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], resolver: None
) -> None:
    (tmp_path / "good.pem").write_text(pem(RSA))
    (tmp_path / "bad.pem").write_text("nonsense")
    sections = (
        f'[dkim."{name}.example"]\nselector = "{selector}"\nkey = {{ file = "{file}.pem" }}\n'
        for name, selector, file in (("a", "gone", "good"), ("b", "x", "bad"), ("c", "x", "no"), ("d", "crm", "good"))
    )
    file = tmp_path / "config.toml"
    file.write_text('domains = ["firma.example"]\n' + "".join(sections), encoding="utf-8")
    assert main(["--config", str(file), "check", "--json"]) == 1
    found = {each["check"]: each for each in map(json.loads, capsys.readouterr().out.splitlines())}
    states = {name[-9]: (each["state"], each["text"]) for name, each in found.items() if name.startswith("DKIM ")}
    assert [states[name][0] for name in "abcd"] == ["fault"] * 4
    assert 'publish it: gone._domainkey.a.example TXT "v=DKIM1; k=rsa; p=' in states["a"][1]
    assert 'dkim."b.example".key is no private key' in states["b"][1]
    assert "no.pem" in states["c"][1]
    assert "another key" in states["d"][1]
