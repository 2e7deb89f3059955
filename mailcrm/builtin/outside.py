"""One request to somebody else's server, at a flow's or a plugin's wish: it can't be turned against our own network."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, Any, TypeAlias

from mailcrm.config import Config
from mailcrm.errors import Permanent, Refused, Temporary
from mailcrm.hookspecs import Reply

if TYPE_CHECKING:
    import httpx

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

_SENT = 1_000_000
_READ = 64_000
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: the IPv4 address stands at its end
_UNICAST = IPv6Network("2000::/3")  # RFC 4291: all that is routed; not ::127.0.0.1, nor site-local addresses
_BUSY = frozenset({408, 425, 429})
_OURS = frozenset(
    {"host", "idempotency-key", "x-mailcrm-signature", "content-length", "transfer-encoding", "accept-encoding"}
)

# They log each address as a whole, and what stands behind its "?" is often a secret.
logging.getLogger("httpx").setLevel(logging.WARNING)
logging.getLogger("httpcore").setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class Outside:
    """The way out.

    Args:
        allowed: networks that may be asked though they are not public; there, plain HTTP will do.
        seconds: how long one request may take, all in all.
        key: signs bodies: the text of ``web.secret``, as for what comes in.
    """

    allowed: tuple[Network, ...]
    seconds: float
    key: bytes

    async def request(
        self, method: str, url: str, *, body: Any = None, headers: Mapping[str, str] | None = None, effect: str
    ) -> Reply:
        """See ``hookspecs.Reach.request``. ``effect``: the key that makes a repeated request known as such."""
        content, kind = _content(body)
        given = {name: value for name, value in (headers or {}).items() if name.lower() not in _OURS}
        sent = {"Content-Type": kind, **given} if content is not None else given
        sent["Idempotency-Key"] = effect
        if content is not None:
            sent["X-Mailcrm-Signature"] = "sha256=" + hmac.digest(self.key, content, hashlib.sha256).hex()
        try:
            async with asyncio.timeout(self.seconds):
                return await self._send(method, url, content, sent)
        except TimeoutError:
            raise Temporary(f"{_shown(url)} did not answer within {self.seconds:g} s") from None

    async def _send(self, method: str, url: str, content: bytes | None, headers: dict[str, str]) -> Reply:
        import httpx

        try:
            asked = httpx.URL(url)
        except (httpx.InvalidURL, TypeError) as error:
            raise Refused(f"{url!r:.200} is no address: {error}") from None
        at = await self._address(asked)
        # Connected is to the very address that was judged: a name may lead elsewhere a moment later.
        there = asked.copy_with(host=str(at), username=None, password=None)
        headers["Host"] = asked.netloc.decode("ascii")
        headers["Accept-Encoding"] = "identity"  # what is packed may be a thousand times larger than what comes
        name = asked.raw_host.decode("ascii")
        request = httpx.Request(method, there, headers=headers, content=content, extensions={"sni_hostname": name})
        try:
            async with httpx.AsyncClient(verify=_tls(), trust_env=False, timeout=self.seconds) as client:
                return await _answer(await client.send(request, stream=True), asked)
        except httpx.TransportError as error:
            raise Temporary(f"{_shown(url)} can't be reached: {type(error).__name__} {error}".rstrip()) from None
        except httpx.HTTPError as error:
            raise Permanent(f"{_shown(url)}: {error}") from None

    async def _address(self, asked: httpx.URL) -> Address:
        """Where to connect to. Raises Refused: not HTTPS, or not public and not allowed."""
        host = asked.host
        if asked.scheme not in ("https", "http") or not host:
            raise Refused(f"{_shown(str(asked))} does not begin with https://; give the whole address")
        port = asked.port or (443 if asked.scheme == "https" else 80)
        try:
            found = await asyncio.get_running_loop().getaddrinfo(asked.raw_host.decode("ascii"), port, type=1)
        except (OSError, UnicodeError) as error:
            raise Temporary(f"the name {host} can't be resolved: {error}") from None
        for entry in found:
            at = ip_address(str(entry[4][0]).partition("%")[0])
            within = any(at in network for network in self.allowed if network.version == at.version)
            if not within and not _is_public(at):
                raise Refused(f"{host} is {at}, which is not a public address; [outside] allow can name its network")
            if not within and asked.scheme == "http":
                raise Refused(f"{host} would be asked without encryption; write https://")
        return ip_address(str(found[0][4][0]).partition("%")[0])


def outside(config: Config, secret: bytes) -> Outside:
    """The way out, as configured."""
    given = config.web.secret
    key = config.secret(given, "web.secret") if given is not None else secret.hex()
    return Outside(config.outside.networks, config.outside.seconds, key.encode())


def _content(body: Any) -> tuple[bytes | None, str]:
    if body is None:
        return None, ""
    if isinstance(body, str):
        content, kind = body.encode("utf-8", "replace"), "text/plain; charset=utf-8"
        try:
            json.loads(body)
        except ValueError:
            pass
        else:
            kind = "application/json"
    else:
        try:
            content, kind = json.dumps(body, ensure_ascii=False, allow_nan=False).encode(), "application/json"
        except (TypeError, ValueError, RecursionError) as error:
            raise Refused(f"the body can't be written as JSON: {error}") from None
    if len(content) > _SENT:
        raise Refused(f"the body is longer than {_SENT} bytes; shorten it")
    return content, kind


async def _answer(response: httpx.Response, asked: httpx.URL) -> Reply:
    read = b""
    try:
        async for piece in response.aiter_raw(_READ):
            read = (read + piece)[:_READ]
            if len(read) == _READ:
                break
    finally:
        await response.aclose()
    status, text = response.status_code, read.decode("utf-8", "replace")
    if 200 <= status < 300:
        return Reply(status, text)
    said = " ".join("".join(c if c.isprintable() else " " for c in text[:400]).split())[:200]
    what = f"{_shown(str(asked))} answered {status}" + (f": {said}" if said else "")
    if status in _BUSY or status >= 500:
        raise Temporary(what)
    if 300 <= status < 400:
        raise Permanent(f"{what}; it wants to send us elsewhere, so give the address where it does answer")
    raise Permanent(what)


def _is_public(at: Address) -> bool:
    if isinstance(at, IPv6Address):
        if at in _NAT64:
            return _is_public(IPv4Address(int(at) & 0xFFFFFFFF))
        if at.ipv4_mapped:
            return _is_public(at.ipv4_mapped)
        if at not in _UNICAST or (at.sixtofour is not None and not _is_public(at.sixtofour)):
            return False
    return at.is_global and not at.is_multicast


@lru_cache(1)
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _shown(url: str) -> str:
    """An address as it may stand in an error: without what may be a secret in it."""
    return url.partition("?")[0].rpartition("@")[2][:200]
