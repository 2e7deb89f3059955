"""Submission to the smarthost (RFC 6409): one connection a batch, faults told apart by who can mend them."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any, TypeVar

import aiosmtplib
from aiosmtplib import (
    SMTPAuthenticationError,
    SMTPConnectError,
    SMTPException,
    SMTPRecipientsRefused,
    SMTPResponseException,
)

from mailcrm.app.dispatch import Unreachable
from mailcrm.config import Config, Submission
from mailcrm.errors import ConfigError, LoginFailed, MailcrmError, Permanent, Temporary
from mailcrm.mail.oauth import Tokens
from mailcrm.mail.smtp_oauth import NotOffered, log_in

T = TypeVar("T")

_SECONDS = 20.0
_ENHANCED = re.compile(r"([245])\.\d{1,3}\.\d{1,3}(?=\s|$)")
_NOT_FOR_EVER = ("5.2.2", "5.3.1")  # mailbox full, system full: refused with 5xx by some servers, yet they pass
_LOGIN_WANTED = frozenset({530, 534, 535, 538})


class SmtpTransport:
    """The configured smarthost.

    Args:
        key: the section of the configuration, for errors.
    """

    def __init__(self, config: Config, key: str = "smarthost") -> None:
        self._config = config
        self._key = key
        self._tokens = Tokens(config)

    @contextmanager
    def session(self) -> Iterator[SmtpSession]:
        """A connection that is logged in. Raises Unreachable, ConfigError or LoginFailed; see dispatch.Session."""
        settings = self._config.smarthost
        if settings is None:
            raise ConfigError(
                "[smarthost] is missing in the configuration, so mail waits in the outbox; set smarthost.host"
            )
        with asyncio.Runner() as runner:
            token = self._token if settings.oauth else None
            session = SmtpSession(runner, settings, self._key, self._client, token)
            try:
                session.connect()
                yield session
            finally:
                session.close()

    def _client(self, settings: Submission) -> aiosmtplib.SMTP:
        """A client that is not connected yet; it will log in with the password, if there is one. Raises ConfigError."""
        login: dict[str, Any] = {}
        if settings.login and settings.oauth is None:
            if settings.password is None:
                raise ConfigError(f'{self._key}.password is missing; set it to {{env = "NAME"}}')
            secret = self._config.secret(settings.password, f"{self._key}.password")
            login = {"username": settings.login, "password": secret}
        return aiosmtplib.SMTP(
            hostname=settings.host,
            port=settings.port,
            local_hostname=self._name,
            timeout=_SECONDS,
            use_tls=settings.tls == "implicit",
            start_tls=settings.tls == "starttls",
            tls_context=self._tls(settings) if settings.tls != "none" else None,
            **login,
        )

    def _token(self, refused: str | None = None) -> str:
        """An access token, another than the ``refused`` one if there is another. Raises what ``Tokens.token`` does."""
        settings = self._config.smarthost
        if settings is None or settings.oauth is None or not settings.login:
            raise ConfigError(f"{self._key}.login is missing; it is the account that the access token is for")
        key = f"{self._key}.oauth"
        if refused:
            self._tokens.forget(key)
        return self._tokens.token(settings.oauth, key).value

    def _tls(self, settings: Submission) -> ssl.SSLContext:
        path = self._config.path(settings.tls_ca) if settings.tls_ca else None
        try:
            return ssl.create_default_context(cafile=str(path) if path else None)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"{self._key}.tls_ca: can't use {path} as a CA certificate: {error}") from None

    @cached_property
    def _name(self) -> str:
        return socket.getfqdn()


class SmtpSession:
    """See ``dispatch.Session``. The library's coroutines run on a loop of the calling thread's own.

    Args:
        client: makes a client for the settings.
        token: gives an access token, another one where one was refused; None where a password does, or nothing.
    """

    def __init__(
        self,
        runner: asyncio.Runner,
        settings: Submission,
        key: str,
        client: Callable[[Submission], aiosmtplib.SMTP],
        token: Callable[[str | None], str] | None,
    ) -> None:
        self._runner = runner
        self._settings = settings
        self._key = key
        self._make = client
        self._token = token
        self._client: aiosmtplib.SMTP | None = None

    def connect(self) -> None:
        """Connect and log in. A token that is refused is replaced once: the server knows first that it is void."""
        if self._token is None:
            self._client = self._open(None)
            return
        token = self._token(None)
        try:
            self._client = self._open(token)
        except LoginFailed:
            other = self._token(token)
            if other == token:
                raise
            self._client = self._open(other)

    def _open(self, token: str | None) -> aiosmtplib.SMTP:
        client = self._make(self._settings)
        try:
            self._run(client.connect())
            if token is not None:
                self._run(log_in(client, self._settings, token))
        except NotOffered as error:
            client.close()
            raise ConfigError(
                f"{self._where} takes no access tokens (OAUTHBEARER, XOAUTH2) on this connection, but "
                f"{_shown(str(error))}; check {self._key}.host, port and tls, or set {self._key}.password"
            ) from error
        except (SMTPException, OSError, TimeoutError) as error:
            client.close()
            raise self._not_connected(error) from error
        return client

    def send(self, sender: str, recipient: str, content: bytes) -> str:
        """See ``dispatch.Session``; a connection that broke is opened anew."""
        if self._client is None or not self._client.is_connected:
            self.connect()
        client = self._client
        if client is None:
            raise Unreachable(f"{self._where} closed the connection")
        try:
            _, answer = self._run(client.sendmail(sender, [recipient], content))
        except SMTPRecipientsRefused as error:
            raise self._refused(error.recipients[0]) from error
        except SMTPResponseException as error:
            raise self._refused(error) from error
        except (SMTPException, OSError, TimeoutError) as error:
            client.close()
            raise Temporary(f"{self._where}: {_shown(str(error)) or 'no answer in time'}") from error
        except ValueError as error:
            raise Permanent(f"the address {sender!r} or {recipient!r} can't be sent to: {error}") from error
        return _shown(str(answer))

    def close(self) -> None:
        """Say goodbye, if there is anybody."""
        client, self._client = self._client, None
        if client is None or not client.is_connected:
            return
        with suppress(SMTPException, OSError, TimeoutError):
            self._run(client.quit())
        client.close()

    @property
    def _where(self) -> str:
        return f"the smarthost {self._settings.host}:{self._settings.port}"

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        async def bounded() -> T:
            async with asyncio.timeout(_SECONDS):
                return await coroutine

        return self._runner.run(bounded())

    def _not_connected(self, error: BaseException) -> MailcrmError:
        """Who can mend it: the operator (certificate, TLS, password), or time."""
        cause = error.__cause__ or error
        if isinstance(error, SMTPAuthenticationError) or (
            isinstance(error, SMTPResponseException) and error.code in _LOGIN_WANTED
        ):
            text = f"{error.code} {_shown(error.message)}"
            if error.code // 100 == 4:
                return Unreachable(f"{self._where} can't check our login now: {text}")
            return LoginFailed(
                f"{self._where} refused the login {self._settings.login!r}: {text}; "
                f"check {self._key}.login and {self._key}.{'oauth' if self._token else 'password'}"
            )
        if isinstance(cause, ssl.SSLCertVerificationError):
            return ConfigError(
                f"{self._where} has a certificate that is not trusted: {cause.verify_message}; "
                f"set {self._key}.tls_ca to its CA, or {self._key}.host to the name in it"
            )
        if isinstance(cause, ssl.SSLError):
            return ConfigError(
                f"{self._where} does not speak TLS as configured ({cause.reason}); check {self._key}.tls and port"
            )
        if isinstance(error, SMTPResponseException):
            return Unreachable(f"{self._where} takes no mail now: {error.code} {_shown(error.message)}")
        if isinstance(error, SMTPException) and not isinstance(error, SMTPConnectError | OSError):
            return ConfigError(f"{self._where}: {_shown(str(error))}; check {self._key}.tls, login and port")
        return Unreachable(f"{self._where} can't be reached: {_shown(str(error)) or 'no answer in time'}")

    def _refused(self, error: SMTPResponseException) -> MailcrmError:
        """What an answer to MAIL, RCPT or DATA means (RFC 5321 section 4.2, RFC 3463)."""
        text = f"{error.code} {_shown(error.message)}"
        if error.code in _LOGIN_WANTED:
            return ConfigError(f"{self._where} wants us to log in: {text}; set {self._key}.login, password and tls")
        enhanced = _ENHANCED.search(error.message)
        lasting = error.code // 100 == 5
        if enhanced and (enhanced[1] == "4" or enhanced[0] in _NOT_FOR_EVER):
            lasting = False
        return Permanent(f"{self._where} refused it: {text}") if lasting else Temporary(f"{self._where}: {text}")


def _shown(text: str) -> str:
    """A server's words, fit for a listing."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:300]
