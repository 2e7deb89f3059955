"""A small OAuth2 provider on loopback: refresh tokens that rotate, the device flow, introspection (RFC 7662)."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self
from urllib.parse import parse_qsl

from tests.servers.process import HOST

Reply = tuple[int, dict[str, Any] | bytes]


@dataclass
class Provider:
    """Gives ``user`` a new access and a new refresh token for each refresh token, which is void afterwards.

    ``answers`` are given first, one a request. ``waits``: how often a device is told to wait for the rep.
    ``withdrawn``: no access token is good any more.
    """

    user: str = "anna"
    refresh_token: str = "refresh-0"
    expires_in: int = 3600
    waits: int = 0
    withdrawn: bool = False
    answers: list[Reply] = field(default_factory=list)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    access_tokens: set[str] = field(default_factory=set)
    url: str = ""
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _server: ThreadingHTTPServer | None = None

    def token(self, form: dict[str, str]) -> Reply:
        """The token endpoint (RFC 6749, RFC 8628)."""
        if form.get("client_id") != "crm":
            return 401, {"error": "invalid_client"}
        if form["grant_type"] == "refresh_token":
            if form.get("refresh_token") != self.refresh_token:
                return 400, {"error": "invalid_grant"}
        elif self.waits:
            self.waits -= 1
            return 400, {"error": "authorization_pending"}
        elif form.get("device_code") != "device-code":
            return 400, {"error": "expired_token"}
        number = next(self._numbers)
        access, self.refresh_token = f"access-{number}", f"refresh-{number}"
        self.access_tokens.add(access)
        reply = {"access_token": access, "token_type": "Bearer", "refresh_token": self.refresh_token}
        return 200, reply | {"expires_in": self.expires_in}

    def device(self, form: dict[str, str]) -> Reply:
        """The device authorization endpoint (RFC 8628)."""
        codes = {"device_code": "device-code", "user_code": "ABCD-EFGH", "expires_in": 600, "interval": 5}
        return 200, codes | {"verification_uri": f"{self.url}/activate"}

    def introspect(self, form: dict[str, str]) -> Reply:
        """The introspection endpoint (RFC 7662)."""
        active = form.get("token") in self.access_tokens and not self.withdrawn
        return 200, {"active": active, "username": self.user}

    def __enter__(self) -> Self:
        provider = self
        pages: dict[str, Callable[[dict[str, str]], Reply]] = {
            "/token": self.token,
            "/device": self.device,
            "/introspect": self.introspect,
        }

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                form = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
                provider.requests.append((self.path, form))
                status, body = provider.answers.pop(0) if provider.answers else pages[self.path](form)
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                if status in (301, 302, 307, 308):
                    self.send_header("Location", f"{provider.url}/elsewhere")
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self.url = f"http://{HOST}:{self._server.server_port}"
        Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
