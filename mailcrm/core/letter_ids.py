"""Names of the letters that flows send, made from the action's key: their Message-IDs, and where they come back to.

So a reply, and a bounce, is known as one to us.
"""

from __future__ import annotations

import hashlib
import hmac
import re

from mailcrm.core.addresses import domain_of, without_tag

_ID = re.compile(r"s\.(?P<key>(?P<run>\d{1,18})\.\d{1,9}\.\d{1,9})\.(?P<signature>[0-9a-f]{32})@[^@]+")
_TAG = re.compile(
    r"[^@+]+\+(?P<key>\d{1,18}\.\d{1,9}\.\d{1,9}|auto\.[0-9a-f]{24}\.\d{1,4})\.(?P<signature>[0-9a-f]{20})@[^@]+"
)
_LONGEST_LOCAL = 64  # RFC 5321, section 4.5.3.1.1


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


def bounce_address(secret: bytes, key: str, sender: str, base: str | None) -> str | None:
    """The envelope sender (VERP) of what goes by itself: a plus-tag tells the letter that comes back.

    Args:
        key: of an action, or (``auto.…``) of a mail that a program handed in at the relay.
        base: the address that takes bounces (``returns.bounces``), normalised.

    Returns:
        None where the sender's own address is better: there is no such address, it is not under the domain of From
        (SPF would not speak for it), or the tag makes it too long.
    """
    if not base or domain_of(base) != domain_of(sender):
        return None
    local = f"{base.rpartition('@')[0]}+{key}.{_sign(secret, key, b'bounce:')[:20]}"
    return f"{local}@{domain_of(base)}" if len(local) <= _LONGEST_LOCAL else None


def returned_key(secret: bytes, address: str, base: str | None) -> str | None:
    """The key (see there) of the letter that came back to this normalised address; None if we did not make it."""
    match = _TAG.fullmatch(address)
    if not base or match is None or without_tag(address) != base:
        return None
    expected = _sign(secret, match["key"], b"bounce:")[:20]
    return match["key"] if hmac.compare_digest(expected, match["signature"]) else None


def _sign(secret: bytes, key: str, purpose: bytes = b"letter:") -> str:
    return hmac.new(secret, purpose + key.encode(), hashlib.sha256).hexdigest()[:32]
