"""An SMTP server on loopback that keeps what it is sent, and refuses on demand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from typing import Literal, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.servers.process import HOST, free_port, wait_until


@dataclass(frozen=True)
class Sunk:
    """One message that was accepted."""

    mail_from: str
    rcpt_tos: tuple[str, ...]
    content: bytes

    @property
    def message(self) -> EmailMessage:
        return BytesParser(policy=policy.default).parsebytes(self.content)


@dataclass
class _Refusal:
    stage: Literal["MAIL", "RCPT", "DATA"]
    answer: str
    times: int | None
    matching: Callable[[str], bool]


@dataclass
class Sink:
    """Accepts all mail, unless told otherwise by ``refuse``; with ``login`` only after AUTH, without TLS."""

    login: str | None = None
    password: str = ""
    port: int = field(default_factory=free_port)
    host: str = HOST
    mails: list[Sunk] = field(default_factory=list)
    sessions: int = 0
    _refusals: list[_Refusal] = field(default_factory=list)
    _controller: Controller | None = None

    def refuse(
        self,
        answer: str,
        *,
        stage: Literal["MAIL", "RCPT", "DATA"] = "RCPT",
        times: int | None = None,
        matching: Callable[[str], bool] = lambda _address: True,
    ) -> None:
        """Answer so from now on, ``times`` times (None is for ever).

        Args:
            answer: such as ``"451 4.3.0 try again later"``.
            stage: the command that is refused.
            matching: for RCPT the recipients concerned, else the senders.
        """
        self._refusals.append(_Refusal(stage, answer, times, matching))

    def accept(self) -> None:
        """Refuse nothing any more."""
        self._refusals.clear()

    def forget(self) -> None:
        """Drop the mails kept so far, and all refusals."""
        self.mails.clear()
        self.accept()

    def wait_for(self, count: int = 1, *, seconds: float = 10.0) -> list[Sunk]:
        """The mails, once there are at least ``count``. Raises TimeoutError if they do not come."""
        wait_until(lambda: len(self.mails) >= count, seconds=seconds, what=f"mail number {count} in the sink")
        return list(self.mails)

    def _verdict(self, stage: str, address: str) -> str | None:
        for refusal in self._refusals:
            if refusal.stage == stage and refusal.times != 0 and refusal.matching(address):
                if refusal.times is not None:
                    refusal.times -= 1
                return refusal.answer
        return None

    async def handle_EHLO(  # noqa: N802 (aiosmtpd's name)
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        self.sessions += 1
        session.host_name = hostname
        return responses

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if answer := self._verdict("MAIL", address):
            return answer
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if answer := self._verdict("RCPT", address):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        sender = envelope.mail_from or ""
        if answer := self._verdict("DATA", sender):
            return answer
        content = envelope.original_content or b""
        self.mails.append(Sunk("" if sender == "<>" else sender, tuple(envelope.rcpt_tos), content))
        return "250 2.0.0 kept"

    def _authenticate(self, server: SMTP, session: Session, envelope: Envelope, kind: str, data: object) -> AuthResult:
        known = isinstance(data, LoginPassword) and (data.login.decode(), data.password.decode())
        return AuthResult(success=known == (self.login, self.password), handled=False)

    def start(self) -> None:
        """Listen; the port stays the same over ``stop`` and ``start``."""
        self._controller = Controller(
            self,
            hostname=self.host,
            port=self.port,
            authenticator=self._authenticate,
            auth_required=self.login is not None,
            auth_require_tls=False,
            enable_SMTPUTF8=True,
            loop=asyncio.new_event_loop(),
        )
        self._controller.start()

    def stop(self) -> None:
        """Close the port, as a smarthost that is down."""
        controller, self._controller = self._controller, None
        if controller is not None:
            controller.stop()
            controller.loop.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
