"""``GET /o/{token}.gif``: the image that tells of an opening. It is answered first and stored a moment later.

It stands before the web app, for a mail to many is opened by many at once. Every token that looks like one gets the
same answer, known or not, so that nobody learns anything by guessing.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from mailcrm.app.tracking import Request
from mailcrm.core.hits import LONGEST_AGENT
from mailcrm.errors import Temporary

BATCH_SECONDS = 0.01
"""How long an opening waits for others; with the commit, at most 50 ms of them are lost when the program is killed."""

_AGAIN_SECONDS = 1.0  # after the database was away
_MOST_WAITING = 200_000
_PATH = re.compile(r"/o/([0-9a-f]{32})\.gif")
GIF = bytes.fromhex(
    "47494638396101000100800000ffffff00000021f90401000000002c00000000010001000002024401003b"  # 1 x 1, transparent
)
HEADERS = (
    (b"content-type", b"image/gif"),
    (b"content-length", str(len(GIF)).encode()),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
)
_AHEAD = frozenset({b"purpose", b"sec-purpose", b"x-purpose", b"x-moz"})
log = logging.getLogger(__name__)


class Openings:
    """Openings that were answered and are still to be stored, one batch after the other.

    Args:
        store: stores a batch; raises Temporary if it can't just now. Called in a thread.
    """

    def __init__(self, store: Callable[[Sequence[Request]], object]) -> None:
        self._store = store
        self._waiting: list[Request] = []
        self._storing: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    def add(self, request: Request) -> None:
        """Have it stored soon. On the event loop."""
        if len(self._waiting) < _MOST_WAITING:
            self._waiting.append(request)
        if self._storing is None:
            self._storing = asyncio.create_task(self._store_all())

    async def close(self) -> None:
        """Store what waits, and no more after that. What the database does not take now is lost."""
        self._closing.set()
        if self._storing:
            await self._storing

    async def _store_all(self) -> None:
        try:
            await self._pause(BATCH_SECONDS)
            while batch := self._waiting:
                self._waiting = []
                try:
                    await asyncio.to_thread(self._store, batch)
                except Temporary as error:
                    log.warning("%d openings of mail can't be stored now: %s", len(batch), error)
                    if self._closing.is_set():
                        return
                    self._waiting = batch + self._waiting
                    await self._pause(_AGAIN_SECONDS)
                except Exception:
                    log.exception("%d openings of mail are lost", len(batch))
                else:
                    await self._pause(BATCH_SECONDS if self._waiting else 0)
        finally:
            self._storing = None

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._closing.wait(), seconds)
        except TimeoutError:
            return


class Pixel:
    """Answers for the image; hands everything else on to the app."""

    def __init__(self, app: ASGIApp, openings: Openings, clock: Callable[[], datetime]) -> None:
        self._app, self._openings, self._clock = app, openings, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI app."""
        if scope["type"] != ScopeType.HTTP or not scope["path"].startswith("/o/"):
            return await self._app(scope, receive, send)
        method, client = scope["method"], scope["client"]
        asked = method == "GET" and self.noted(scope["path"], scope["headers"], client[0] if client else "")
        if not asked and (method != "HEAD" or not _PATH.fullmatch(scope["path"])):
            return await self._app(scope, receive, send)
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await send({"type": "http.response.body", "body": GIF if asked else b"", "more_body": False})
        return None

    def noted(self, path: str, headers: Iterable[tuple[bytes, bytes]], address: str) -> bool:
        """Have an opening stored soon, unless it is fetched ahead; False: that is not the path of an image.

        Args:
            headers: names in lower case.
            address: the client's IP address.
        """
        match = _PATH.fullmatch(path)
        if match is None:
            return False
        agent = b""
        for name, value in headers:
            if name == b"user-agent":
                agent = value
            elif name in _AHEAD:
                return True
        self._openings.add(Request(match[1], self._clock(), agent[:LONGEST_AGENT].decode("latin-1"), address))
        return True
