"""One request to an OAuth2 server: a form goes out, JSON comes back (RFC 6749 section 5). No token ever in an error."""

from __future__ import annotations

import ipaddress
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from urllib.parse import urlencode, urlsplit

import msgspec

from mailcrm.errors import ConfigError, Temporary

_SECONDS = 30
_LIMIT = 100_000
_CODE = re.compile(r"[a-z_]{1,40}")


class Answer(msgspec.Struct, frozen=True):
    """What an OAuth2 server may say; the fields that are not in its answer are empty.

    ``expires_in`` and ``interval`` are in seconds. ``verification_url`` is Google's name for ``verification_uri``.
    """

    error: str = ""
    access_token: str = ""
    refresh_token: str = ""
    expires_in: float | str | None = None
    device_code: str = ""
    user_code: str = ""
    verification_uri: str = ""
    verification_url: str = ""
    verification_uri_complete: str = ""
    interval: float | str | None = None

    def __repr__(self) -> str:
        return f"Answer(error={self.error!r})"

    def seconds(self, given: float | str | None, default: float) -> float:
        """A number that some servers send as text, at least 0."""
        try:
            return max(0.0, float(given)) if given is not None else default
        except ValueError:
            return default


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A form with a secret goes to the configured server and to no other."""

    def redirect_request(self, *_: object, **__: object) -> None:
        """Follow none."""


def post(url: str, form: Mapping[str, str], key: str) -> Answer:
    """Send the form.

    Args:
        url: HTTPS, or plain HTTP on loopback.
        form: empty values are left out.
        key: the configuration key that ``url`` stands under, for errors.

    Returns:
        The server's answer; ``error`` is one of the codes of RFC 6749 and RFC 8628, or empty.

    Raises:
        ConfigError: ``url`` is unfit, or what answers there is no OAuth2 server.
        Temporary: the server can't be reached, is overloaded or broken.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
        raise ConfigError(f"{key}: {url!r} must begin with https://, since secrets are sent there")
    body = urlencode({name: value for name, value in form.items() if value}).encode()
    request = urllib.request.Request(url, body, {"Accept": "application/json"})  # noqa: S310 - the scheme was checked
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=_SECONDS) as response:
            return _read(response.read(_LIMIT), key, host)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 429 or error.code >= 500:
                raise Temporary(f"{key}: {host} is overloaded or broken (HTTP {error.code}); try again later") from None
            return _read(error.read(_LIMIT), key, host, refused=error.code)
    except (urllib.error.URLError, HTTPException, OSError) as error:
        reason = getattr(error, "reason", error)
        raise Temporary(f"{key}: can't reach {host}: {reason}; check the address and the network") from None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _read(body: bytes, key: str, host: str, *, refused: int = 0) -> Answer:
    try:
        answer = msgspec.json.decode(body, type=Answer)
    except (msgspec.DecodeError, UnicodeDecodeError):
        answer = None
    if answer is None or (refused and not _CODE.fullmatch(answer.error)):
        status = f" (HTTP {refused})" if refused else ""
        raise ConfigError(
            f"{key}: {host} does not answer as an OAuth2 server does{status}; check the address"
        ) from None
    return answer
