"""Logging in at an SMTP server (RFC 4954): by password, or by access token (OAUTHBEARER, RFC 7628, else XOAUTH2)."""

from __future__ import annotations

import hmac
import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from typing import Final

from mailcrm.errors import Permanent
from mailcrm.mail.oauth import bearer
from mailcrm.mail.smtp_wire import Answer

_LONGEST_COMMAND = 512  # RFC 5321 section 4.5.3.1.4; what is longer follows the server's go-ahead
_GO_ON, _TAKEN, _REFUSED = 334, 235, 535
_ACKNOWLEDGED: Final = {"OAUTHBEARER": b"AQ==", "XOAUTH2": b""}  # the answer to an error report, which is a challenge

Say = Callable[[bytes], Answer]
"""Says a line and gives the server's answer."""


class NotOffered(Permanent):
    """The server takes no login of that kind; the text says what it takes."""


class LoginRefused(Exception):
    """The server's code and reason, without the secret."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(code, text)
        self.code, self.text = code, text


def by_password(say: Say, offered: Sequence[str], login: str, password: str) -> None:
    """Log in with a name and a password: PLAIN, else LOGIN, else CRAM-MD5.

    Args:
        offered: the server's mechanisms, upper case.

    Raises:
        NotOffered, LoginRefused: see there.
    """
    name, secret = login.encode(), password.encode()
    if "PLAIN" in offered:
        answer = _first(say, b"PLAIN", b64encode(b"\0" + name + b"\0" + secret))
    elif "LOGIN" in offered:
        answer = say(b"AUTH LOGIN")
        for each in (name, secret):
            if answer.code == _GO_ON:
                answer = say(b64encode(each))
    elif "CRAM-MD5" in offered:
        answer = say(b"AUTH CRAM-MD5")
        if answer.code == _GO_ON:
            digest = hmac.new(secret, _decoded(answer.text), "md5").hexdigest()
            answer = say(b64encode(name + b" " + digest.encode()))
    else:
        raise NotOffered(" ".join(offered) or "no login at all")
    if answer.code != _TAKEN:
        if answer.code == _GO_ON:
            say(b"*")  # it asks for more than the mechanism has
            answer = Answer(_REFUSED, "")
        raise LoginRefused(answer.code, _without(answer.text, password, b"\0" + name + b"\0" + secret))


def by_token(say: Say, offered: Sequence[str], login: str, host: str, port: int, token: str) -> None:
    """Log in with an access token. Arguments and errors as of ``by_password``."""
    mechanism = next((each for each in _ACKNOWLEDGED if each in offered), None)
    if mechanism is None:
        raise NotOffered(" ".join(offered) or "no login at all")
    word = bearer(mechanism, login, host, port, token).encode()
    answer = _first(say, mechanism.encode(), b64encode(word))
    if answer.code == _TAKEN:
        return
    code, text = answer
    if code == _GO_ON:
        report = _report(text)
        final = say(_ACKNOWLEDGED[mechanism])
        refused = final.code // 100 in (4, 5)
        code, text = (final.code if refused else _REFUSED), f"{final.text if refused else ''} {report}"
    raise LoginRefused(code, _without(text, token, word).strip())


def _first(say: Say, mechanism: bytes, word: bytes) -> Answer:
    """AUTH with the client's first word, at once or, if that makes the line too long, when it is asked for."""
    if len(b"AUTH " + mechanism + b" " + word + b"\r\n") <= _LONGEST_COMMAND:
        return say(b"AUTH " + mechanism + b" " + word)
    answer = say(b"AUTH " + mechanism)
    return say(word) if answer.code == _GO_ON else answer


def _without(text: str, secret: str, word: bytes) -> str:
    """A server that repeats a secret must not bring it into a log."""
    told = "".join(text.split())
    repeated = "".join(secret.split()) in told or b64encode(word).decode() in told
    return "" if repeated or b64encode(secret.encode()).decode() in told else text


def _decoded(challenge: str) -> bytes:
    try:
        return b64decode(challenge)
    except ValueError:
        return b""


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
