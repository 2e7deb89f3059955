"""Message-IDs of the letters that flows send: made from the action's key, so that a reply is known as one to us."""

from __future__ import annotations

import hashlib
import hmac
import re

from mailcrm.core.addresses import domain_of

_ID = re.compile(r"s\.(?P<key>(?P<run>\d{1,18})\.\d{1,9}\.\d{1,9})\.(?P<signature>[0-9a-f]{32})@[^@]+")


def letter_id(secret: bytes, key: str, sender: str) -> str:
    """The Message-ID (without ``<>``) of what an action sends: the same at every try, and to be known as ours.

    Args:
        key: the action's: ``enrollment.hop.index``.
    """
    return f"s.{key}.{_sign(secret, key)}@{domain_of(sender)}"


def run_of(secret: bytes, message_id: str) -> int | None:
    """The enrollment whose letter has this id; None for an id that ``letter_id`` did not make."""
    match = _ID.fullmatch(message_id)
    if match is None or not hmac.compare_digest(_sign(secret, match["key"]), match["signature"]):
        return None
    return int(match["run"])


def _sign(secret: bytes, key: str) -> str:
    return hmac.new(secret, b"letter:" + key.encode(), hashlib.sha256).hexdigest()[:32]
