"""What a bounce says: who did not get which message, and whether he ever will (RFC 3464, RFC 3463)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from mailcrm.core.addresses import normalise
from mailcrm.core.model import Bounce, Message
from mailcrm.core.permanence import is_permanent, says_why

_DSN = "message/delivery-status"
_RETURNED = frozenset({"message/rfc822", "text/rfc822-headers"})
_FIELD = re.compile(r"^([A-Za-z][A-Za-z0-9-]{1,60})[ \t]*:[ \t]*(.*(?:\n[ \t]+\S.*)*)", re.MULTILINE)
_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_ADDRESS = re.compile(r"[^\s<>()\[\]:;,\"'@=]{1,100}@[A-Za-z0-9\u0080-\uffff](?:[\w.-]{0,200}\w)?")
_NEXT_ADDRESS = re.compile(
    r"^[ \t*-]{0,8}(?:Unknown user: )?<?[^<>\s:]{1,100}@[^<>\s:]{1,200}>?:?[ \t]*$|^<[^<>\s]{3,320}>:", re.MULTILINE
)
_RULE = re.compile(r"[-=_*~#]{4,}")
_ANSWER = re.compile(r"\b[45]\d\d[ -][^\n]{3}|\b[45]\.\d{1,3}\.\d{1,3}\b")
_MESSAGE_ID = re.compile(r"^(?:Original-)?Message-ID:\s{0,3}<([^<>\s]{1,500})>", re.IGNORECASE | re.MULTILINE)
_ID = re.compile(r"<([^<>\s]{1,500})>")
_OUR_MARK = "x-mailcrm-choice"
_RETURNED_TEXT = re.compile(
    r"^(?:[ \t]*[-=_#*>]{2,}.{0,80}|.{0,60}\b(?:copy of (?:the|your) message|original message|message headers?"
    r"|returned message|message follows|oryginaln\w{1,3} wiadomoś\w{1,3}"
    r"|ursprüngliche nachricht|message d'origine).{0,60})$",
    re.IGNORECASE | re.MULTILINE,
)
_VAGUE = re.compile(r"[45]\.(?:0\.0|5\.0|3\.0|0\.\d{3})$")


def failed(message: Message) -> Bounce | None:
    """The first recipient whose RFC 3464 ``Action`` is ``failed``; None where the report says something else."""
    return next(
        (_from_fields(fields, common, message) for fields, common in _groups(message) if _has_failed(fields)), None
    )


def other_action(message: Message) -> str | None:
    """The first ``Action`` of a delivery report (``delayed``, ``relayed``, ``expanded``, ``delivered``), or None."""
    return next((_word(fields["action"]) for fields, _ in _groups(message) if "action" in fields), None)


def from_text(message: Message, recipient: str | None = None) -> Bounce:
    """What can be read out of a bounce that has no delivery report: header fields and the words of the mail system.

    Args:
        message: a message already known to be a bounce.
        recipient: the failed address where another detector found it.
    """
    text = message.text[:20_000]
    returned = _RETURNED_TEXT.search(text, min(len(text), 80))
    words = text[: returned.start()] if returned and _ADDRESS.search(text, 0, returned.start()) else text[:6000]
    recipient = recipient or _header_recipient(message) or _text_recipient(words, message)
    about = _about(words, recipient)
    found = _STATUS.search(about) or _STATUS.search(words)
    status = found[1] if found and found[1][0] != "2" else None
    reason = _one_line(about) or _one_line(message.subject)
    return Bounce(recipient, status, is_permanent(status, about), reason, _original_id(message, ""))


def returned_ids(message: Message, bounce: Bounce) -> tuple[str, ...]:
    """Message ids (without ``<>``) by which we may know mail of our own that came back, the surest first.

    A relay such as SES gives a new Message-ID; then our mark stands in the returned head, and the id in its References.
    A reply to our mail names the same id in References, so that field alone proves nothing.
    """
    found = [bounce.original_id] if bounce.original_id else []
    for part in message.embedded:
        if part.type in _RETURNED:
            head = _fields(part.text[:30_000].replace("\r\n", "\n").partition("\n\n")[0])
            if _OUR_MARK in head and "in-reply-to" not in head:
                found += _ID.findall(head.get("references", ""))
    return tuple(dict.fromkeys(found[:20]))


def _groups(message: Message) -> Iterator[tuple[Mapping[str, str], Mapping[str, str]]]:
    """Per-recipient fields of every delivery report, each with the fields that concern the whole message."""
    for part in message.embedded:
        if part.type == _DSN:
            blocks = [
                _fields(block) for block in re.split(r"\n[ \t]*\n", part.text.replace("\r\n", "\n").strip())[:200]
            ]
            common = blocks[0] if blocks else {}
            for block in blocks:
                if "action" in block or "final-recipient" in block or "original-recipient" in block:
                    yield block, common


def _fields(block: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for name, value in _FIELD.findall(block):
        fields.setdefault(name.lower(), _one_line(value, 1000))
    return fields


def _has_failed(fields: Mapping[str, str]) -> bool:
    # OpenSMTPD says "error"; some programs say nothing at all, and then the status has to do
    action = _word(fields.get("action", ""))
    return action.startswith(("fail", "error")) or (not action and fields.get("status", "").startswith("5"))


def _from_fields(fields: Mapping[str, str], common: Mapping[str, str], message: Message) -> Bounce:
    words = re.sub(r"^(?:x-)?[\w.-]{1,40}\s?;\s?", "", fields.get("diagnostic-code", ""))
    recipient = (
        _typed_address(fields.get("original-recipient", ""))
        or _typed_address(fields.get("final-recipient", ""))
        or _typed_address(fields.get("x-actual-recipient", ""))
        or _header_recipient(message)
        or _text_recipient(message.text[:6000], message)
    )
    stated = _STATUS.search(fields.get("status", ""))
    spoken = _STATUS.search(words)
    status = stated[1] if stated else None
    if spoken and (status is None or _VAGUE.match(status)):
        status = spoken[1]
    context = words
    if not says_why(words):
        # Exchange and Lotus put the cause into the first part alone
        context = f"{words}\n{_about(message.text[:4000], recipient)}"
    reason = (
        _one_line(words)
        or _one_line(fields.get("status", "").partition(" ")[2].strip("() "))
        or _one_line(_about(message.text[:4000], recipient))
    )
    original = _original_id(message, common.get("x-original-message-id", ""))
    return Bounce(recipient, status, is_permanent(status, context), reason, original)


def _word(value: str) -> str:
    found = re.match(r"\s*([A-Za-z-]{1,20})", value)
    return found[1].lower() if found else ""


def _typed_address(value: str) -> str | None:
    """``rfc822;jan@klient.example`` (RFC 3464 section 2.3.1) -> the address; brackets and xtext (RFC 3461) undone."""
    kind, semicolon, address = value.partition(";")
    address = (address if semicolon else kind).replace("+2B", "+").replace("+3D", "=")
    found = _ADDRESS.search(address)
    if found is None or "\ufffd" in found[0] or "...@" in found[0]:  # "davi...@" is what an archive leaves
        return None
    return normalise(found[0]) or None


def _header_recipient(message: Message) -> str | None:
    found = _ADDRESS.search((message.header("x-failed-recipients") or "")[:1000])
    return (normalise(found[0]) or None) if found else None


def _text_recipient(words: str, message: Message) -> str | None:
    """The first address in the mail system's words that is neither its own nor the sender's."""
    own = {address.email for address in (*message.to, message.from_) if address}
    for pattern in (
        r"^[ \t]*<([^<>\s]{3,320})>[:\s]",
        r"^[ \t*>-]{0,8}(?:To:\s)?<?([^<>\s,:]{3,320}@[^<>\s,:]{3,255})>?[:\s]*$",
    ):
        for found in re.finditer(pattern, words, re.MULTILINE):
            address = normalise(found[1])
            if address and address not in own:
                return address
    for found in _ADDRESS.finditer(words):
        address = normalise(found[0])
        if (
            address
            and address not in own
            and not address.startswith(("postmaster@", "mailer-daemon@", "abuse@", "support@"))
        ):
            return address
    return None


def _about(words: str, recipient: str | None) -> str:
    """What is said of the failed address, up to the next one; else from the first SMTP answer on; else all."""
    at = words.lower().find(recipient) if recipient else -1
    if at >= 0 and recipient:
        before = words[words.rfind("\n", 0, at) + 1 : at].strip("<([\"' \t*-")
        said = words[at + len(recipient) : at + 1200].lstrip("<>\"')]:;, \t\r\n")
        for following in _NEXT_ADDRESS.finditer(said):
            if recipient not in following[0].lower():
                said = said[: following.start()]
                break
        if any(map(str.isalpha, before)):
            said = f"{before} {recipient} {said}"
        if sum(map(str.isalpha, said)) > 8:
            return said[:800]
    answer = _ANSWER.search(words)
    return words[answer.start() : answer.start() + 800] if answer else words[:800]


def _original_id(message: Message, stated: str) -> str | None:
    """From the returned message or its head; else as Google states it, else as quoted, else what is referred to."""
    for part in message.embedded:
        if part.type in _RETURNED and (found := _MESSAGE_ID.search(part.text, 0, 30_000)):
            return found[1]
    if bare := stated.strip().strip("<>").strip():
        return bare
    if found := _MESSAGE_ID.search(message.text, 0, 60_000):
        return found[1]
    return next(iter((*message.in_reply_to, *reversed(message.references))), None)


def _one_line(text: str, most: int = 300) -> str:
    return " ".join(_RULE.sub(" ", text[: most * 4]).split())[:most]
