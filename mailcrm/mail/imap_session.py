"""From a configured mailbox to a logged-in connection: DNS, TCP, TLS, login. Each failure names its mend."""

from __future__ import annotations

import base64
import contextlib
import imaplib
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any, Literal

from imapclient import IMAPClient

from mailcrm.config import Config, Mailbox
from mailcrm.errors import ConfigError, LoginFailed, Permanent
from mailcrm.mail.imap_faults import Away, Declined, Garbled, pause_asked, printable
from mailcrm.mail.imap_seats import Seats
from mailcrm.mail.imap_talk import Talk
from mailcrm.mail.imap_wire import Wire
from mailcrm.mail.oauth import Tokens, bearer


class Untrusted(Permanent):
    """The server's TLS certificate is not trusted; the text names the mend."""


class Dialer:
    """Opens connections for all mailboxes; shares TLS contexts.

    Args:
        config: for secrets and relative paths.
        timeout: seconds of silence endured in connecting, logging in and reading.
        seats: shared by all who connect to the same mailboxes.
    """

    def __init__(self, config: Config, *, timeout: float = 60.0, seats: Seats | None = None) -> None:
        self._config = config
        self._tokens = Tokens(config)
        self._timeout = timeout
        self.seats = seats or Seats()
        self._lock = Lock()
        self._contexts: dict[str | None, ssl.SSLContext] = {}
        self._capabilities: dict[frozenset[str], frozenset[str]] = {}

    @contextmanager
    def second(self, key: str, mailbox: Mailbox) -> Iterator[Talk]:
        """A connection beside the one that listens: one at a time, waited for, and closed in the end.

        Raises:
            Away, LoginFailed, Untrusted, ConfigError: as ``connect``; Away too if it never gets free.
        """
        with self.seats.taken(key):
            talk = self.connect(key, mailbox)
            try:
                yield talk
            finally:
                talk.wire.close()

    def connect(self, key: str, mailbox: Mailbox) -> Talk:
        """Connect and log in.

        Args:
            key: the mailbox's name in the configuration.
            mailbox: has a host.

        Raises:
            Away: the server can't be reached, or asks for a pause.
            LoginFailed: name, password or token was refused.
            Untrusted: the certificate was.
            ConfigError: a secret or ``tls_ca`` is missing.
        """
        secret = self._secret(key, mailbox)
        where = f"mailboxes.{key} ({mailbox.login} at {mailbox.host}:{mailbox.port})"
        wire = Wire(self._dial(where, mailbox), where, self._timeout)
        try:
            if mailbox.tls == "implicit":
                self._secure(wire, key, mailbox)
            client = self._greet(wire, key, mailbox)
            self._login(client, wire, key, mailbox, secret)
            capabilities = frozenset(c.decode("ascii", "replace").upper() for c in client.capabilities())
            capabilities = self._capabilities.setdefault(capabilities, capabilities)
            talk = Talk(wire, capabilities)
            talk.enable_qresync()
            if "ID" in capabilities:
                with contextlib.suppress(Declined):
                    talk.do(b'ID ("name" "mailcrm")')
        except imaplib.IMAP4.error as error:
            wire.close()
            text = printable(str(error)).replace(secret, "…")
            raise Away(f"{where}: the server does not play along: {text}", pause_asked("", text)) from None
        except BaseException:
            wire.close()
            raise
        return talk

    def _secret(self, key: str, mailbox: Mailbox) -> str:
        if mailbox.oauth is not None:
            return self._tokens.token(mailbox.oauth, f"mailboxes.{key}.oauth").value
        if mailbox.password is None:
            raise ConfigError(f'mailboxes.{key} has no password; set password = {{env = "…"}} or oauth')
        secret = self._config.secret(mailbox.password, f"mailboxes.{key}.password")
        if any(ord(c) < 32 for c in secret + mailbox.login):
            raise ConfigError(f"mailboxes.{key}: login or password holds a control character; correct it")
        return secret

    def _dial(self, where: str, mailbox: Mailbox) -> socket.socket:
        host = mailbox.host or ""
        try:
            sock = socket.create_connection((host, mailbox.port), self._timeout)
        except socket.gaierror as error:
            raise Away(
                f"{where}: there is no server named {host!r} ({error.strerror}); check host, or the DNS"
            ) from None
        except ConnectionRefusedError:
            raise Away(f"{where}: nothing listens there; check host and port, or start the server") from None
        except TimeoutError:
            raise Away(f"{where}: no answer in {self._timeout:.0f} s; check host, port and firewalls") from None
        except (OSError, UnicodeError) as error:
            raise Away(f"{where}: can't connect: {getattr(error, 'strerror', None) or error}") from None
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, seconds in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
            if hasattr(socket, option):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), seconds)
        return sock

    def _secure(self, wire: Wire, key: str, mailbox: Mailbox) -> None:
        """Start TLS on the socket. Raises Untrusted, Permanent, Away."""
        context = self._context(key, mailbox)
        plain = wire.sock
        try:
            wire.sock = context.wrap_socket(plain, server_hostname=mailbox.host)
        except ssl.SSLCertVerificationError as error:
            plain.close()
            raise Untrusted(
                f"{wire.where}: its certificate is not trusted: {error.verify_message}; if the server has its own CA, "
                f"set mailboxes.{key}.tls_ca to that CA's file; if the name differs, set host to the certificate's name"
            ) from None
        except ssl.SSLError as error:
            plain.close()
            raise Permanent(
                f"{wire.where}: no TLS there ({error.reason or 'handshake failed'}); set mailboxes.{key}.tls "
                'to "starttls" (mostly port 143) or "implicit" (mostly port 993)'
            ) from None
        except (OSError, ValueError) as error:
            plain.close()
            raise Away(f"{wire.where}: the connection broke in the TLS handshake: {error}") from None

    def _context(self, key: str, mailbox: Mailbox) -> ssl.SSLContext:
        with self._lock:
            context = self._contexts.get(mailbox.tls_ca)
            if context is None:
                path = self._config.path(mailbox.tls_ca) if mailbox.tls_ca else None
                try:
                    context = ssl.create_default_context(cafile=str(path) if path else None)
                except (OSError, ssl.SSLError) as error:
                    reason = getattr(error, "strerror", None) or error
                    raise ConfigError(
                        f"mailboxes.{key}.tls_ca: can't use {path}: {reason}; it must be a PEM file"
                    ) from None
                self._contexts[mailbox.tls_ca] = context
            return context

    def _greet(self, wire: Wire, key: str, mailbox: Mailbox) -> _Client:
        def secure() -> None:
            if wire.buffer:
                raise Garbled(
                    f"{wire.where}: the server sent something between STARTTLS and TLS; is somebody tampering?"
                )
            self._secure(wire, key, mailbox)

        hint = f"check mailboxes.{key}.host and port"
        try:
            client = _Client(wire, mailbox.host or "", secure)
        except Away as error:
            if wire.received or mailbox.tls == "implicit":
                raise
            text = str(error).removesuffix("; reconnecting")
            raise Away(f'{text}; {hint}; if TLS begins at once there, set tls to "implicit"') from None
        except imaplib.IMAP4.error as error:
            text = printable(str(error))
            if "* BYE" in text:
                raise
            raise Away(f"{wire.where}: it does not greet as an IMAP server: {text}; {hint}") from None
        if mailbox.tls == "starttls":
            if not client.has_capability("STARTTLS"):
                raise Permanent(
                    f"{wire.where}: the server offers no STARTTLS; set mailboxes.{key}.tls to "
                    '"implicit", and port to its TLS port'
                )
            client.starttls(None)
        return client

    def _login(self, client: _Client, wire: Wire, key: str, mailbox: Mailbox, secret: str) -> None:
        able = {c.decode("ascii", "replace").upper() for c in client.capabilities()}
        try:
            if mailbox.oauth is not None:
                mechanism = mailbox.oauth.mechanism.upper()
                first = bearer(mechanism, mailbox.login, mailbox.host or "", mailbox.port, secret)
                client.sasl_login(mechanism, _once(first))
            elif "AUTH=PLAIN" in able:
                client.sasl_login("PLAIN", _once(f"\0{mailbox.login}\0{secret}"))
            elif "LOGINDISABLED" in able:
                raise Permanent(
                    f"{wire.where}: the server takes no passwords on this connection; set mailboxes.{key}.tls"
                )
            else:
                client.login(mailbox.login, secret)
        except imaplib.IMAP4.error as error:
            text = _redacted(str(error), mailbox, secret)
            code = text[1:].split("]")[0].upper() if text.startswith("[") else ""
            pause = None if code == "AUTHENTICATIONFAILED" else pause_asked(code, text)
            if pause is not None:
                raise Away(f"{wire.where}: the server asks for a pause of {pause:.0f} s: {text}", pause) from None
            self._tokens.forget(f"mailboxes.{key}.oauth")
            what = "oauth" if mailbox.oauth else "password"
            raise LoginFailed(
                f"{wire.where}: the login was refused: {text}; correct mailboxes.{key}.login or mailboxes.{key}.{what}"
            ) from None
        except ValueError:
            raise LoginFailed(
                f"{wire.where}: the server takes only ASCII names and passwords; change mailboxes.{key}.password"
            ) from None


def _once(first: str) -> Callable[[bytes], str]:
    """Answers the first challenge; a second one is an error report, to be acknowledged."""
    waiting = [first]

    def respond(_challenge: bytes) -> str:
        return waiting.pop() if waiting else "\1"

    return respond


def _redacted(text: str, mailbox: Mailbox, secret: str) -> str:
    """A server may quote what it was sent."""
    text = printable(text)
    forms = {secret, base64.b64encode(secret.encode()).decode(), secret.replace("\\", "\\\\").replace('"', '\\"')}
    forms |= {base64.b64encode(f"\0{mailbox.login}\0{secret}".encode()).decode()}
    for form in forms:
        if form:
            text = text.replace(form, "…")
    return text


class _Lines(imaplib.IMAP4):
    """imaplib over our own buffered reader, so that no byte hides in a second buffer when we take over."""

    debug = 0

    def __init__(self, wire: Wire, host: str, secure: Callable[[], None]) -> None:
        self._wire = wire
        self._secure = secure
        super().__init__(host)
        re.purge()  # imaplib compiles a pattern for each connection, of which re would keep hundreds

    def open(self, host: str = "", port: int = 143, timeout: float | None = None) -> None:  # noqa: ARG002
        self.host = host
        self.port = port
        self.sock = self._wire.sock

    def read(self, size: int) -> bytes:
        return self._wire.read(size)

    def readline(self) -> bytes:
        return self._wire.readline()

    def send(self, data: Any) -> None:
        self._wire.send(bytes(data))

    def shutdown(self) -> None:
        self._wire.close()

    def starttls(self, ssl_context: ssl.SSLContext | None = None) -> tuple[Literal["OK"], list[None]]:  # noqa: ARG002
        kind, data = self._simple_command("STARTTLS")
        if kind != "OK":
            raise self.error("STARTTLS was refused")
        self._secure()
        self.sock = self._wire.sock
        self._tls_established = True
        self._get_capabilities()
        return "OK", data


class _Client(IMAPClient):  # type: ignore[misc]
    """imapclient over a connection that exists already; its debugging, which formats every literal, stays off."""

    def __init__(self, wire: Wire, host: str, secure: Callable[[], None]) -> None:
        self._make: Callable[[], _Lines] = lambda: _Lines(wire, host, secure)
        super().__init__(host, ssl=False, timeout=wire.timeout)
        self._imap.debug = 0

    def _create_IMAP4(self) -> _Lines:  # noqa: N802
        return self._make()
