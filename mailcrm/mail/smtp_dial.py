"""Opens connections to one server that takes mail: TLS, EHLO, login. Faults are told apart by who can mend them."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

from mailcrm.app.handover import Unreachable
from mailcrm.config import Config, Submission
from mailcrm.errors import ConfigError, LoginFailed, MailcrmError
from mailcrm.mail import smtp_login
from mailcrm.mail.oauth import Tokens
from mailcrm.mail.smtp_faults import shown
from mailcrm.mail.smtp_login import LoginRefused, NotOffered
from mailcrm.mail.smtp_wire import Answer, Answers, Garbled, Offers

SECONDS = 20.0
"""How long opening a connection may take."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A connection over which mail can be sent now."""

    sock: socket.socket
    offers: Offers


class Dialer:
    """Opens connections to one server. Safe for several threads.

    Args:
        key: where its section stands: ``smarthost``, ``mailboxes.anna.submission``.
    """

    def __init__(
        self, config: Config, settings: Submission, key: str, tokens: Tokens, seconds: float = SECONDS
    ) -> None:
        self._config = config
        self._tokens = tokens
        self._seconds = seconds
        self.settings = settings
        self.key = key

    @property
    def where(self) -> str:
        """The server, in words."""
        name = "the smarthost" if self.key == "smarthost" else "the server"
        return f"{name} {self.settings.host}:{self.settings.port}"

    def open(self) -> Opened:
        """Connect and log in. A token that is refused is replaced once: the server knows first that it is void.

        Raises:
            Unreachable: it can't be reached, or takes nothing from us now.
            ConfigError, LoginFailed: somebody has to change something; the text names the key.
        """
        if self.settings.oauth is None:
            return self._open(self._password())
        token = self._token()
        try:
            return self._open(token)
        except LoginFailed:
            other = self._token(token)
            if other == token:
                raise
            return self._open(other)

    def _open(self, secret: str) -> Opened:
        settings = self.settings
        context = self._context if settings.tls != "none" else None
        talk: _Dialogue | None = None
        try:
            talk = _Dialogue(settings.host, settings.port, self._seconds)
            if context and settings.tls == "implicit":
                talk.encrypt(context, settings.host)
            greeting = talk.heard()
            if greeting.code != 220:
                raise Unreachable(f"{self.where} takes no mail now: {greeting.code} {shown(greeting.text)}")
            offers = self._hello(talk)
            if context and settings.tls == "starttls":
                if not offers.starttls or not talk.say(b"STARTTLS").good:
                    raise ConfigError(f"{self.where} offers no STARTTLS; check {self.key}.tls and port")
                talk.encrypt(context, settings.host)
                offers = self._hello(talk)
            if secret and settings.login:
                self._log_in(talk.say, offers, secret)
            talk.sock.settimeout(0)
        except BaseException as error:
            if talk is not None:
                talk.sock.close()
            if isinstance(error, OSError | Garbled | EOFError):
                raise self._not_connected(error) from None
            raise
        return Opened(talk.sock, offers)

    def _hello(self, talk: _Dialogue) -> Offers:
        answer = talk.say(b"EHLO " + self._name)
        if answer.code in (500, 502):
            answer, offers = talk.say(b"HELO " + self._name), Offers()
        else:
            offers = Offers.of(answer)
        if not answer.good:
            raise Unreachable(f"{self.where} takes no mail now: {answer.code} {shown(answer.text)}")
        return offers

    def _log_in(self, say: Callable[[bytes], Answer], offers: Offers, secret: str) -> None:
        """Raises LoginFailed, ConfigError, or Unreachable if the server can't tell now."""
        settings, oauth = self.settings, self.settings.oauth is not None
        login = settings.login or ""
        try:
            if oauth:
                smtp_login.by_token(say, offers.auth, login, settings.host, settings.port, secret)
            else:
                smtp_login.by_password(say, offers.auth, login, secret)
        except NotOffered as error:
            if oauth:
                wanted, mend = "access tokens (OAUTHBEARER, XOAUTH2)", f", or set {self.key}.password"
            else:
                wanted, mend = "passwords (PLAIN, LOGIN, CRAM-MD5)", ", or remove its login"
            raise ConfigError(
                f"{self.where} takes no {wanted} on this connection, but "
                f"{shown(str(error))}; check {self.key}.host, port and tls{mend}"
            ) from None
        except LoginRefused as error:
            text = f"{error.code} {shown(error.text)}"
            if error.code // 100 == 4:
                raise Unreachable(f"{self.where} can't check our login now: {text}") from None
            hint = f"check {self.key}.login and {self.key}.{'oauth' if oauth else 'password'}"
            raise LoginFailed(f"{self.where} refused the login {login!r}: {text}; {hint}") from None

    def _not_connected(self, error: BaseException) -> MailcrmError:
        if isinstance(error, ssl.SSLCertVerificationError):
            return ConfigError(
                f"{self.where} has a certificate that is not trusted: {error.verify_message}; "
                f"set {self.key}.tls_ca to its CA, or {self.key}.host to the name in it"
            )
        if isinstance(error, ssl.SSLError):
            return ConfigError(
                f"{self.where} does not speak TLS as configured ({error.reason}); check {self.key}.tls and port"
            )
        if isinstance(error, Garbled):
            return ConfigError(
                f"{self.where} speaks no SMTP ({shown(str(error))!r}); check {self.key}.host, port and tls"
            )
        text = shown(str(error))
        if isinstance(error, TimeoutError) or not text:
            text = "no answer in time" if isinstance(error, TimeoutError) else "it closed the connection"
        return Unreachable(
            f"{self.where} can't be reached: {text}; check {self.key}.host and port, or start the server"
        )

    def _password(self) -> str:
        settings = self.settings
        if not settings.login:
            return ""
        if settings.password is None:
            raise ConfigError(f'{self.key}.password is missing; set it to {{env = "NAME"}}')
        return self._config.secret(settings.password, f"{self.key}.password")

    def _token(self, refused: str | None = None) -> str:
        """An access token, another than the ``refused`` one if there is another. Raises what ``Tokens.token`` does."""
        settings = self.settings
        if settings.oauth is None or not settings.login:
            raise ConfigError(f"{self.key}.login is missing; it is the account that the access token is for")
        key = f"{self.key}.oauth"
        if refused:
            self._tokens.forget(key)
        return self._tokens.token(settings.oauth, key).value

    @cached_property
    def _context(self) -> ssl.SSLContext:
        path = self._config.path(self.settings.tls_ca) if self.settings.tls_ca else None
        try:
            return ssl.create_default_context(cafile=str(path) if path else None)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"{self.key}.tls_ca: can't use {path} as a CA certificate: {error}") from None

    @cached_property
    def _name(self) -> bytes:
        name = socket.getfqdn()
        return name.encode() if name.isascii() and name.isprintable() and " " not in name else b"localhost"


class _Dialogue:
    """A connection on which one waits for each answer. All of it together takes no longer than ``seconds``."""

    def __init__(self, host: str, port: int, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self.sock: socket.socket = socket.create_connection((host, port), seconds)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(OSError):
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._answers = Answers()

    def say(self, line: bytes) -> Answer:
        """One command, or an answer to a challenge, and what the server says to it."""
        self._wait()
        self.sock.sendall(line + b"\r\n")
        return self.heard()

    def heard(self) -> Answer:
        """The server's next words. Raises OSError, EOFError or Garbled."""
        while True:
            self._wait()
            data = self.sock.recv(16_384)
            if not data:
                raise EOFError
            if found := self._answers.feed(data):
                return found[0]  # what came unasked behind it counts for nothing

    def encrypt(self, context: ssl.SSLContext, host: str) -> None:
        """Go on in TLS. What was said before it is forgotten: somebody in between may have added it (RFC 3207)."""
        self._wait()
        self._answers = Answers()
        self.sock = context.wrap_socket(self.sock, server_hostname=host)

    def _wait(self) -> None:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.sock.settimeout(left)
