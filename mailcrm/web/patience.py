"""Patience with HTTP clients that ends: with the slow, the silent, with headers without end, with too many at once.

uvicorn waits for ever for a request that does not come whole, and each connection costs the whole process a descriptor.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

SLOW = 30.0
"""Seconds in which a request must have come whole, and the first one begin."""

LONGEST_HEAD = 64_000
"""Bytes of a request line and its headers, beside what is read at once with their beginning."""

MOST = 500
"""Connections open at once."""


class PatientProtocol(HttpToolsProtocol):
    """A connection that is closed when its client tries our patience."""

    slow = SLOW
    most = MOST

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Called by the event loop."""
        super().connection_made(transport)
        self._since: float | None = self.loop.time()  # when what we wait for began; None: we wait for nothing
        self._head, self._in_head = 0, False
        self._watch: asyncio.TimerHandle | None = self.loop.call_later(self.slow, self._look)
        if len(self.connections) > self.most:
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        self._head += len(data)
        super().data_received(data)
        if self._in_head and self._head > LONGEST_HEAD:
            self.transport.close()
        elif self._since is None and self.timeout_keep_alive_task is None and self._is_told():
            self._since = self.loop.time()  # an empty line between requests ends uvicorn's own patience

    def on_message_begin(self) -> None:
        """Called by the parser."""
        self._since = self.loop.time()
        self._head, self._in_head = 0, True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Called by the parser; there is no cycle as long as only images were asked for."""
        self._since = None
        if self.cycle is not None:
            super().on_message_complete()

    def _is_told(self) -> bool:
        """Everything that was asked has been answered."""
        return self.cycle is None or self.cycle.response_complete

    def _look(self) -> None:
        left = self.slow if self._since is None else self._since + self.slow - self.loop.time()
        if left > 0:
            self._watch = self.loop.call_later(left, self._look)
        else:
            self.transport.close()
