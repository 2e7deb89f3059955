"""The open pixel's short way: answered as soon as its headers are read, without a task and a call of the web app.

It takes the plain requests that mail programs and proxies make, and leaves every other to uvicorn, which hands it to
``Pixel`` in the app: the answer is the same.
"""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mailcrm.web.patience import PatientProtocol
from mailcrm.web.pixel import GIF, HEADERS, Pixel

_HEAD = b"HTTP/1.1 200 OK\r\n" + b"".join(b"%s: %s\r\n" % pair for pair in HEADERS)
_NOT_PLAIN = frozenset({b"content-length", b"transfer-encoding", b"connection", b"expect", b"upgrade"})
_PROXIES = frozenset({"127.0.0.1", "::1"})  # whose X-Forwarded-For is believed; by default uvicorn does so too


def protocol(pixel: Pixel) -> type[HttpToolsProtocol]:
    """The protocol of connections, for ``uvicorn.Config(http=…)``."""

    class PixelProtocol(PatientProtocol):
        def on_headers_complete(self) -> None:
            """Called by the parser."""
            if self.url.startswith(b"/o/") and self._answered():
                self._in_head = False
            else:
                super().on_headers_complete()

        def _answered(self) -> bool:
            busy = self.cycle is not None and not self.cycle.response_complete
            busy = busy or self.flow.write_paused  # who does not read is not read from
            if busy or self.parser.get_method() != b"GET" or self.parser.get_http_version() != "1.1":
                return False
            address = self.client[0] if self.client else ""
            for name, value in self.headers:
                if name in _NOT_PLAIN:
                    return False
                if name == b"x-forwarded-for" and address in _PROXIES:
                    address = value.decode("latin-1").strip()
                    if not address.replace(".", "").replace(":", "").isalnum():  # several, or with a port
                        return False
            if not pixel.noted(self.url.decode("latin-1"), self.headers, address):
                return False
            ours = [b"%s: %s\r\n" % pair for pair in self.server_state.default_headers]  # the date
            self.transport.write(b"".join((_HEAD, *ours, b"\r\n", GIF)))
            self.on_response_complete()
            return True

    return PixelProtocol
