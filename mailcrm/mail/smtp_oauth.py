"""Logging in at an SMTP server by an access token: OAUTHBEARER (RFC 7628), else XOAUTH2, as RFC 4954 has it."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import Final

import aiosmtplib
from aiosmtplib import SMTPAuthenticationError

from mailcrm.config import Submission
from mailcrm.errors import Permanent
from mailcrm.mail.oauth import bearer

_LONGEST_COMMAND = 512  # RFC 5321 section 4.5.3.1.4; what is longer follows the server's go-ahead
_GO_ON, _TAKEN, _REFUSED = 334, 235, 535
_ACKNOWLEDGED: Final = {"OAUTHBEARER": b"AQ==", "XOAUTH2": b""}  # the answer to an error report, which is a challenge
"""The mechanisms that we know, the better one first."""


class NotOffered(Permanent):
    """The server takes no access tokens; the text says what it takes."""


async def log_in(client: aiosmtplib.SMTP, settings: Submission, token: str) -> None:
    """Log in over a connection that is open, encrypted where it is to be.

    Raises:
        NotOffered: see there.
        SMTPAuthenticationError: the token is refused; the text holds the server's reason, never the token.
        SMTPException: the connection failed.
    """
    if client.is_ehlo_or_helo_needed:
        await client.ehlo()
    offered = [method.upper() for method in client.server_auth_methods]
    mechanism = next((each for each in _ACKNOWLEDGED if each in offered), None)
    if mechanism is None:
        raise NotOffered(" ".join(offered) or "no login at all")
    first = b64encode(bearer(mechanism, settings.login or "", settings.host, settings.port, token).encode())
    answer = await _say(client, mechanism.encode(), first)
    if answer.code == _TAKEN:
        return
    code, text = answer.code, answer.message
    if code == _GO_ON:
        report = _report(text)
        final = await client.execute_command(_ACKNOWLEDGED[mechanism])
        refused = final.code // 100 in (4, 5)
        code, text = (final.code if refused else _REFUSED), f"{final.message if refused else ''} {report}"
    # a server that repeats the token must not bring it into a log
    told = "".join(text.split())
    raise SMTPAuthenticationError(code, "" if token in told or first.decode() in told else text.strip())


async def _say(client: aiosmtplib.SMTP, mechanism: bytes, first: bytes) -> aiosmtplib.SMTPResponse:
    """AUTH with the client's first word, at once or, if that makes the line too long, when it is asked for."""
    if len(b"AUTH " + mechanism + b" " + first + b"\r\n") <= _LONGEST_COMMAND:
        return await client.execute_command(b"AUTH", mechanism, first)
    answer = await client.execute_command(b"AUTH", mechanism)
    return await client.execute_command(first) if answer.code == _GO_ON else answer


def _report(challenge: str) -> str:
    """The status, and the scope that is wanted, out of the JSON that says why (RFC 7628 section 3.2.2)."""
    try:
        said = json.loads(b64decode(challenge, validate=True))
    except (ValueError, RecursionError):
        return ""
    if not isinstance(said, dict):
        return ""
    wanted = ((name, said.get(name)) for name in ("status", "scope"))
    return " ".join(f"{name}={str(value)[:100]}" for name, value in wanted if value)
