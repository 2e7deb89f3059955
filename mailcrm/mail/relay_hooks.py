"""What the relay says to each command of a client that aiosmtpd asks it about."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime

from aiosmtpd.smtp import SMTP, Envelope, Session

from mailcrm.app.logins import Login
from mailcrm.app.submit import Handed, Refusal
from mailcrm.core.addresses import normalise
from mailcrm.errors import MailcrmError, Permanent
from mailcrm.mail.relay_letter import Rejected, examine

MOST_RECIPIENTS = 200
"""Of a message. A client sends the rest by itself (RFC 5321 section 4.5.3.1.10), so it is told of each one."""

MOST_ASKED = 1_000
"""Recipients of a message after which nobody means well."""

HandIn = Callable[[Handed], Awaitable[Refusal | MailcrmError | None]]

log = logging.getLogger(__name__)


class Hooks:
    """The answers to one client.

    Args:
        login: who has logged in, if anybody.
        hand_in: stores a mail for good, or says why not.
        now: the time, aware.
    """

    def __init__(self, login: Callable[[], Login | None], hand_in: HandIn, now: Callable[[], datetime]) -> None:
        self._login, self._hand_in, self._now = login, hand_in, now
        self._asked = 0

    async def handle_EHLO(  # noqa: N802
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """What is offered."""
        session.host_name = hostname
        mechanisms = [each for each in responses if each.startswith("250-AUTH")]
        kept = [each for each in responses[:-1] if not each.startswith("250-AUTH")]
        auth = ["250-AUTH PLAIN LOGIN"] if mechanisms else []
        return [*kept, *auth, "250 PIPELINING"]

    async def handle_MAIL(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """A sender: one of the user's own addresses."""
        login = self._login()
        if address == "<>":
            return "550 5.7.1 mail without a sender, as bounces are, is not taken here"
        if login is None or not _is_written(address, envelope) or normalise(address) not in login.addresses:
            return "550 5.7.1 the sender is to be an address of your own"
        self._asked = 0
        envelope.mail_from = normalise(address)
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """A recipient, up to the limit."""
        self._asked += 1
        if self._asked > MOST_ASKED:
            return "550 5.5.3 too many recipients"
        if len(envelope.rcpt_tos) >= MOST_RECIPIENTS:
            return f"452 4.5.3 at most {MOST_RECIPIENTS} recipients a message"
        if not _is_written(address, envelope) or not (normal := normalise(address)):
            return "553 5.1.3 that is no address, or it needs SMTPUTF8"
        local, domain = address.rpartition("@")[0], normal.rpartition("@")[2]
        envelope.rcpt_tos.append(f"{local}@{domain}")
        return "250 2.1.5 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """A message: looked at, stored, and only then taken."""
        login, content = self._login(), envelope.content
        if login is None or not isinstance(content, bytes):
            return "530 5.7.0 log in first"
        if not content.count(b"\n") == content.count(b"\r") == content.count(b"\r\n"):
            return "554 5.6.0 a bare CR or LF is not allowed in a message"
        if b"\0" in content:  # a server that drops them would read CR LF NUL . CR LF as an end (RFC 2045 section 2.8)
            return "554 5.6.0 a NUL is not allowed in a message"
        try:
            mail = examine(content, login, str(envelope.mail_from), envelope.rcpt_tos, self._now())
        except Rejected as rejected:
            return rejected.answer
        fate = await self._hand_in(mail)
        if isinstance(fate, Refusal):
            return f"550 5.7.1 {fate.reason}"
        if isinstance(fate, Permanent):
            return "554 5.6.0 the message was refused"
        return "451 4.3.0 not stored now, try again later" if fate else "250 2.0.0 stored, and on its way"

    async def handle_exception(self, error: Exception) -> str:
        """What nobody foresaw: told to the log, not to the client."""
        log.error("relay: %s", type(error).__name__, exc_info=error)
        return "451 4.3.0 something went wrong here, try again later"


def _is_written(address: str, envelope: Envelope) -> bool:
    """Printable, of bounded length, and beyond ASCII only where the client said so (RFC 6531)."""
    return len(address) <= 320 and address.isprintable() and (address.isascii() or bool(envelope.smtp_utf8))
