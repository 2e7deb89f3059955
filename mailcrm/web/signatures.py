"""Who may tell us something over HTTP: who knows ``web.secret``."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from typing import Self

from mailcrm.app.context import Context

NO_NUL = r"^[^\x00]*$"
"""For names that are looked up: PostgreSQL takes no text with a NUL, not even to say that there is none."""


@dataclass(frozen=True, slots=True)
class Key:
    """The text of ``web.secret``: signs a body, or is sent along where a server can't sign."""

    secret: bytes

    @classmethod
    def of(cls, context: Context) -> Self:
        """As configured; where it is not, that of this installation, in hexadecimal."""
        given = context.config.web.secret
        secret = context.config.secret(given, "web.secret") if given is not None else context.secret.hex()
        return cls(secret.encode())

    def signed(self, body: bytes, signature: str) -> bool:
        """Whether ``sha256=HEX`` is the HMAC (RFC 2104) of the raw body."""
        expected = "sha256=" + hmac.digest(self.secret, body, hashlib.sha256).hex()
        return hmac.compare_digest(expected.encode(), signature.strip().lower().encode())

    def admits(self, body: bytes, signature: str, authorization: str) -> bool:
        """True for a body with the right signature, or a request that knows the secret: Bearer, or Basic's password."""
        if signature:
            return self.signed(body, signature)
        scheme, _, value = authorization.partition(" ")
        given = value.strip().encode()
        if scheme.lower() == "basic":
            try:
                given = base64.b64decode(given, validate=True).partition(b":")[2]
            except binascii.Error:
                return False
        elif scheme.lower() != "bearer":
            return False
        return hmac.compare_digest(self.secret, given)
