"""Logging in with a code that is typed in at the provider's page (RFC 8628), for ``mailcrm mailbox login``."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from mailcrm.config import Config, OAuth
from mailcrm.errors import ConfigError, Refused, Temporary
from mailcrm.mail.oauth import client_of, mailbox_of, refusal
from mailcrm.mail.oauth_http import Answer, post
from mailcrm.mail.oauth_store import TokenFile

_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


@dataclass(frozen=True, slots=True)
class Invitation:
    """What the rep has to do: open ``page`` and type ``user_code``, within ``expires_in`` seconds.

    ``direct`` is a page that knows the code already, or "". ``interval`` is how many seconds to wait between
    questions. All but the numbers are the provider's words: clean them before they reach a terminal.
    """

    page: str
    user_code: str
    direct: str
    expires_in: float
    interval: float
    device_code: str = field(repr=False)


def invite(oauth: OAuth, config: Config, key: str) -> Invitation:
    """Begin a login.

    Args:
        key: where the section stands: ``mailboxes.anna.oauth``.

    Raises:
        ConfigError: a setting is missing or refused.
        Temporary: the provider can't be reached.
    """
    for name in ("device_url", "token_url"):
        if not getattr(oauth, name):
            raise ConfigError(f"{key}.{name} is missing; the mail provider's documentation names it")
    form = client_of(oauth, config, key) | {"scope": oauth.scope}
    answer = post(oauth.device_url, form, f"{key}.device_url")
    if answer.error:
        raise refusal(answer.error, key)
    page = answer.verification_uri or answer.verification_url
    if not (answer.device_code and answer.user_code and page.startswith(("https://", "http://"))):
        raise ConfigError(f"{key}.device_url: the server sent no code; check the address")
    expires = answer.seconds(answer.expires_in, 900)
    interval = max(1.0, answer.seconds(answer.interval, 5))
    return Invitation(page, answer.user_code, answer.verification_uri_complete, expires, interval, answer.device_code)


def await_consent(
    oauth: OAuth,
    config: Config,
    key: str,
    invitation: Invitation,
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Ask until the rep has agreed, then store the refresh token.

    Raises:
        Refused: the rep declined, or the code expired.
        ConfigError: the provider refused the request, or gave no refresh token.
    """
    form = client_of(oauth, config, key) | {"grant_type": _GRANT, "device_code": invitation.device_code}
    interval, end = invitation.interval, clock() + invitation.expires_in
    while clock() < end:
        sleep(interval)
        try:
            answer = post(oauth.token_url, form, f"{key}.token_url")
        except Temporary:  # RFC 8628 section 3.5: on a connection timeout, ask less often
            interval *= 2
            continue
        match answer.error:
            case "":
                _store(answer, config, key)
                return
            case "authorization_pending":
                continue
            case "slow_down":
                interval += 5
            case "access_denied":
                raise Refused(f"{key}: the login was declined at the provider's page; nothing was changed")
            case "expired_token":
                break
            case other:
                raise refusal(other, key)
    raise Refused(f"{key}: the code has expired; run: mailcrm mailbox login {mailbox_of(key)}")


def _store(answer: Answer, config: Config, key: str) -> None:
    if not answer.refresh_token:
        raise ConfigError(f"{key}.scope: the provider gave no refresh token; many want offline_access in the scope")
    file = TokenFile(config, mailbox_of(key))
    with file.locked():
        file.write(answer.refresh_token, None)
