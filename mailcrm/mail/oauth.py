"""Access tokens for XOAUTH2 and OAUTHBEARER: printed by a command, or got for a refresh token (RFC 6749 section 6)."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from mailcrm.config import Config, OAuth
from mailcrm.errors import ConfigError, LoginFailed, Temporary
from mailcrm.mail.oauth_http import post
from mailcrm.mail.oauth_store import TokenFile

_COMMAND_SECONDS = 60
_MARGIN = 60.0
_DEFAULT_LIFE = 300.0


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token, and for how many seconds from now it may be used; 0 where nobody said."""

    value: str = field(repr=False)
    life: float = 0.0


class Tokens:
    """Access tokens of all mailboxes, each kept until shortly before it expires. Safe for several threads.

    Args:
        clock: seconds that only ever grow.
    """

    def __init__(self, config: Config, clock: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._clock = clock
        self._lock = Lock()
        self._kept: dict[str, tuple[AccessToken, float]] = {}

    def token(self, oauth: OAuth, key: str) -> AccessToken:
        """A token that can be used now. Arguments and errors as of the function ``token``."""
        if kept := self._living(key):
            return kept
        if oauth.command:
            return token(oauth, self._config, key)
        with TokenFile(self._config, mailbox_of(key)).locked():
            kept = self._living(key)  # another thread may have been quicker
            return kept or self._keep(key, _refresh(oauth, self._config, key))

    def forget(self, key: str) -> None:
        """The server refused the token: get another one next time."""
        with self._lock:
            self._kept.pop(key, None)

    def _living(self, key: str) -> AccessToken | None:
        with self._lock:
            found = self._kept.get(key)
        return found[0] if found and found[1] > self._clock() else None

    def _keep(self, key: str, token: AccessToken) -> AccessToken:
        with self._lock:
            self._kept[key] = token, self._clock() + token.life - _MARGIN
        return token


def token(oauth: OAuth, config: Config, key: str) -> AccessToken:
    """Get a new access token.

    Args:
        oauth: the section itself.
        config: the whole configuration, for secrets and the data folder.
        key: where the section stands: ``mailboxes.anna.oauth``.

    Raises:
        ConfigError: a setting is missing or wrong.
        LoginFailed: the refresh token is void, or nobody has logged in yet; the text says what to run.
        Temporary: the server can't be reached.
    """
    if oauth.command:
        return AccessToken(_printed(oauth.command, config, key))
    with TokenFile(config, mailbox_of(key)).locked():
        return _refresh(oauth, config, key)


def bearer(mechanism: str, login: str, host: str, port: int, token: str) -> str:
    """The client's first word, before base64: Google's XOAUTH2, or OAUTHBEARER (RFC 7628 section 3.1)."""
    if mechanism == "XOAUTH2":
        return f"user={login}\1auth=Bearer {token}\1\1"
    name = login.replace("=", "=3D").replace(",", "=2C")
    return f"n,a={name},\1host={host}\1port={port}\1auth=Bearer {token}\1\1"


def mailbox_of(key: str) -> str:
    """``mailboxes.anna.oauth`` and ``mailboxes.anna.submission.oauth`` -> ``anna``: one login serves both."""
    return key.removeprefix("mailboxes.").removesuffix(".oauth").removesuffix(".submission")


def client_of(oauth: OAuth, config: Config, key: str) -> dict[str, str]:
    """The form fields by which this installation names itself. Raises ConfigError."""
    if not oauth.client_id:
        raise ConfigError(f"{key}.client_id is missing; it is the application's id at the mail provider")
    given = oauth.client_secret
    secret = config.secret(given, f"{key}.client_secret") if given is not None else ""
    return {"client_id": oauth.client_id, "client_secret": secret}


def _refresh(oauth: OAuth, config: Config, key: str) -> AccessToken:
    """Use the refresh token; the caller holds its lock."""
    if not oauth.token_url:
        raise ConfigError(f"{key}: say how to get a token: command, or token_url with client_id")
    mailbox = mailbox_of(key)
    given = oauth.refresh_token
    configured = config.secret(given, f"{key}.refresh_token") if given is not None else None
    file = TokenFile(config, mailbox)
    current = file.read(configured) or configured
    if current is None:
        raise LoginFailed(f"{key}: nobody has logged in yet; {_mend(key)}")
    form = {"grant_type": "refresh_token", "refresh_token": current, "scope": oauth.scope}
    answer = post(oauth.token_url, client_of(oauth, config, key) | form, f"{key}.token_url")
    if answer.error:
        raise refusal(answer.error, key)
    if not _is_token(answer.access_token):
        raise ConfigError(f"{key}.token_url: the server sent no access token; check the address")
    if answer.refresh_token and answer.refresh_token != current:  # the old one may be void from now on
        file.write(answer.refresh_token, configured)
    return AccessToken(answer.access_token, answer.seconds(answer.expires_in, _DEFAULT_LIFE))


def refusal(error: str, key: str) -> Exception:
    """The error that stands for a code of RFC 6749 section 5.2."""
    match error:
        case "invalid_grant":
            return LoginFailed(f"{key}: the login has expired or was withdrawn; {_mend(key)}")
        case "invalid_client" | "unauthorized_client":
            return ConfigError(
                f"{key}: the provider does not accept client_id or client_secret ({error}); correct them"
            )
        case "invalid_scope":
            return ConfigError(f"{key}.scope is not accepted by the provider; correct it")
        case "temporarily_unavailable" | "server_error":
            return Temporary(f"{key}: the provider asks to try again later ({error})")
        case _:
            return ConfigError(f"{key}: the provider refused the request ({error}); check the section's settings")


def _mend(key: str) -> str:
    if key.startswith("mailboxes."):
        return f"run: mailcrm mailbox login {mailbox_of(key)}"
    return f"set {key}.refresh_token to a new one"


def _printed(command: tuple[str, ...], config: Config, key: str) -> str:
    """What the command printed. Its error output may hold secrets, so it is not repeated."""
    try:
        done = subprocess.run(  # noqa: S603 - the operator's own command
            command,
            cwd=Path(config.base),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_COMMAND_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Temporary(
            f"{key}.command: {command[0]} did not end within {_COMMAND_SECONDS} s; run it by hand"
        ) from None
    except OSError as error:
        raise ConfigError(f"{key}.command: can't run {command[0]}: {error.strerror}") from None
    if done.returncode:
        raise LoginFailed(f"{key}.command: {command[0]} ended with {done.returncode}; run it by hand to see why")
    printed = done.stdout.decode("ascii", "replace").strip()
    if not _is_token(printed):
        raise LoginFailed(f"{key}.command: {command[0]} must print one access token and nothing else; run it by hand")
    return printed


def _is_token(text: str) -> bool:
    """RFC 6750 section 2.1 in short: visible ASCII, so that it can't break out of a SASL message."""
    return bool(text) and text.isascii() and text.isprintable() and " " not in text
