"""Users' passwords, stored as scrypt hashes (RFC 7914)."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from sqlalchemy import select, update

from mailcrm.app.context import Context
from mailcrm.errors import Refused
from mailcrm.store.tables import user

ADVISED = 12  # characters
_N, _R, _P = 2**15, 8, 3  # 32 MB and some 0.2 s a try


def set_password(context: Context, user_id: int, password: str) -> None:
    """Store a user's password. Raises Refused if it is empty."""
    if not password:
        raise Refused("the password is empty; write it to standard input")
    stored = hashed(password, secrets.token_bytes(16))
    with context.db.write() as connection:
        connection.execute(update(user).where(user.c.id == user_id).values(password_hash=stored))


def verify(context: Context, user_id: int, password: str) -> bool:
    """True if it is the user's password, and he may log in at all."""
    with context.db.read() as connection:
        row = connection.execute(select(user.c.password_hash, user.c.disabled_at).where(user.c.id == user_id)).one()
    if row.password_hash is None or row.disabled_at is not None:
        return False
    return matches(row.password_hash, password)


def matches(stored: str, password: str) -> bool:
    """True if ``stored`` is the hash of the password."""
    _, n, r, p, salt, _ = stored.split("$")
    return hmac.compare_digest(stored, hashed(password, bytes.fromhex(salt), n=int(n), r=int(r), p=int(p)))


def nobodys() -> str:
    """A stored hash that no password has; trying one takes as long as with any other."""
    return f"scrypt${_N}${_R}${_P}${secrets.token_hex(16)}${secrets.token_hex(32)}"


def hashed(password: str, salt: bytes, *, n: int = _N, r: int = _R, p: int = _P) -> str:
    """``scrypt$n$r$p$salt$hash``, salt and hash in hex."""
    key = hashlib.scrypt(password.encode("utf-8", "surrogatepass"), salt=salt, n=n, r=r, p=p, maxmem=2**28, dklen=32)
    return f"scrypt${n}${r}${p}${salt.hex()}${key.hex()}"
