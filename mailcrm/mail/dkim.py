"""Signs mail as it leaves (DKIM, RFC 6376): RSA with SHA-256, or Ed25519 (RFC 8463), relaxed/relaxed."""

from __future__ import annotations

import re
import time
from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from threading import Lock

import idna
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from mailcrm.config import Config, Dkim
from mailcrm.errors import ConfigError

SHORTEST_RSA = 2048
_GUARDED = (b"from", b"to", b"cc", b"subject", b"date", b"reply-to")
"""Signed once more than they are there, so that nobody adds one (RFC 6376 section 8.15)."""
_SIGNED = (
    b"sender", b"message-id", b"in-reply-to", b"references", b"mime-version", b"content-type",
    b"content-transfer-encoding", b"auto-submitted", b"list-id", b"list-unsubscribe", b"list-unsubscribe-post",
)  # fmt: skip
_SPACES = re.compile(rb"[ \t]+")
_FIELD = re.compile(rb"\r\n(?![ \t])")
_AUTHOR = re.compile(rb"(?:<[^<>]*@([^<>@\s]+)>|^[^<>\"(),]*@([^<>@\s\"(),]+))$")

Sign = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Key:
    """A domain's key, ready to sign with."""

    domain: bytes
    selector: bytes
    algorithm: bytes
    sign: Sign
    private: RSAPrivateKey | Ed25519PrivateKey


class Signer:
    """Signs mail of the domains that have a key. Safe for several threads."""

    def __init__(self, config: Config, clock: Callable[[], float] = time.time) -> None:
        self._config = config
        self._clock = clock
        self._lock = Lock()
        self._keys: dict[str, Key] = {}
        self._names = {ascii_of(domain): domain for domain in config.dkim}

    def signed(self, content: bytes) -> bytes:
        """A message with its signature on top; unchanged if From is of no domain that has a key.

        Args:
            content: the whole message as it leaves, every line ending in CRLF.

        Raises:
            ConfigError: the key can't be read.
        """
        if not self._names:
            return content
        head, body = _cut(content)
        fields = _fields(head)
        domain = author_domain(fields)
        name = self._names.get(domain)
        if name is None:
            return content
        return signature(self._key(name), fields, body, int(self._clock())) + content

    def _key(self, name: str) -> Key:
        with self._lock:
            if name not in self._keys:
                self._keys[name] = load(self._config, name, self._config.dkim[name])
            return self._keys[name]


def load(config: Config, domain: str, settings: Dkim) -> Key:
    """A domain's key. Raises ConfigError naming the setting."""
    where = f'dkim."{domain}"'
    selector = settings.selector
    if not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", selector):
        raise ConfigError(f"{where}.selector: {selector!r} is no name for DNS; take letters and digits")
    text = config.secret(settings.key, f"{where}.key")
    mend = f"make one: openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:{SHORTEST_RSA}"
    try:
        key = load_pem_private_key(text.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigError(f"{where}.key is no private key in PEM without a passphrase; {mend}") from None
    names = ascii_of(domain).encode(), selector.encode()
    if isinstance(key, Ed25519PrivateKey):
        return Key(*names, b"ed25519-sha256", lambda data: key.sign(sha256(data).digest()), key)
    if not isinstance(key, RSAPrivateKey):
        raise ConfigError(f"{where}.key is neither RSA nor Ed25519; {mend}")
    if key.key_size < SHORTEST_RSA:
        raise ConfigError(f"{where}.key has {key.key_size} bits, which receivers distrust; {mend}")
    padding, digest = PKCS1v15(), SHA256()
    return Key(*names, b"rsa-sha256", lambda data: key.sign(data, padding, digest), key)


def signature(key: Key, fields: Sequence[tuple[bytes, bytes]], body: bytes, at: int) -> bytes:
    """The header field DKIM-Signature with its line end.

    Args:
        fields: of the message: names in lower case and values as they stand there.
        body: every line ending in CRLF.
        at: seconds since 1970.
    """
    names, lines = _chosen(fields)
    digest = b64encode(sha256(relaxed_body(body)).digest())
    value = b"v=1; a=%s; c=relaxed/relaxed; d=%s; s=%s;\r\n t=%d; h=%s;\r\n bh=%s;\r\n b=" % (
        key.algorithm, key.domain, key.selector, at, b":\r\n  ".join(_lined(names)), digest,
    )  # fmt: skip
    lines.append(b"dkim-signature:" + _relaxed(value))
    sealed = b64encode(key.sign(b"\r\n".join(lines)))
    return b"DKIM-Signature: " + value + b"\r\n  ".join(sealed[i : i + 72] for i in range(0, len(sealed), 72)) + b"\r\n"


def relaxed_body(body: bytes) -> bytes:
    """RFC 6376 section 3.4.4; ``body`` has every line ending in CRLF."""
    if b"\t" in body or b"  " in body:
        body = _SPACES.sub(b" ", body)
    if b" \r\n" in body:
        body = body.replace(b" \r\n", b"\r\n")
    body = body.rstrip(b"\r\n")
    return body + b"\r\n" if body else b""


def author_domain(fields: Iterable[tuple[bytes, bytes]]) -> str:
    """The domain of From in lower case; "" if that can't be told for sure."""
    authors = [value for name, value in fields if name == b"from"]
    found = _AUTHOR.search(authors[0].replace(b"\r\n", b"").strip()) if len(authors) == 1 else None
    return ascii_of((found[1] or found[2]).decode("utf-8", "replace")) if found else ""


def ascii_of(domain: str) -> str:
    """A domain as it stands in DNS, in lower case."""
    if domain.isascii():
        return domain.lower()
    try:
        return idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        return ""


def _chosen(fields: Sequence[tuple[bytes, bytes]]) -> tuple[list[bytes], list[bytes]]:
    """The names to sign, and the fields themselves: of those that are there more than once, the last one first."""
    found: dict[bytes, list[bytes]] = {}
    for name, value in fields:
        found.setdefault(name, []).append(value)
    names: list[bytes] = []
    lines: list[bytes] = []
    for name in (*_GUARDED, *_SIGNED):
        for value in reversed(found.get(name, [])):
            names.append(name)
            lines.append(name + b":" + _relaxed(value))
        if name in _GUARDED:
            names.append(name)
    return names, lines


def _lined(names: list[bytes]) -> Iterable[bytes]:
    """The names in lines of six."""
    return (b":".join(names[i : i + 6]) for i in range(0, len(names), 6))


def _relaxed(value: bytes) -> bytes:
    return _SPACES.sub(b" ", value.replace(b"\r\n", b"")).strip(b" ")


def _cut(content: bytes) -> tuple[bytes, bytes]:
    head, _, body = content.partition(b"\r\n\r\n")
    return head, body


def _fields(head: bytes) -> list[tuple[bytes, bytes]]:
    fields = []
    for line in _FIELD.split(head):
        name, colon, value = line.partition(b":")
        if colon:
            fields.append((name.strip().lower(), value))
    return fields
