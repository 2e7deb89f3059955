"""Raw bytes of one message -> ``core.model.Message``.

One tolerant lane over the bytes does all the reading; should it ever fail by itself, ``fallback`` asks a library.
"""

from __future__ import annotations

from mailcrm import config
from mailcrm.core.model import Address, Message
from mailcrm.core.text import clean
from mailcrm.mail import address_list, dates, fallback, headers, params
from mailcrm.mail.body import Body
from mailcrm.mail.content import Sink
from mailcrm.mail.headers import Buffer, Fields
from mailcrm.mail.mime import Unparsable, leaves

__all__ = ["Sink", "Unparsable", "parse"]

MAX_PROBLEMS = 20
MAX_SUBJECT = 2_000  # characters
MAX_REFERENCES = 200


def parse(raw: Buffer, blobs: Sink, limits: config.Parsing) -> Message:
    """Read one message.

    Args:
        raw: the message as it came, with CRLF or bare LF, perhaps with an mbox ``From `` line before it.
        blobs: where the attachments are put.
        limits: bounds on bytes, parts and depth.

    Raises:
        Unparsable: beyond the bounds, or no mail at all.
    """
    size = len(raw)
    if size > limits.max_bytes:
        raise Unparsable(f"{size} bytes are more than parsing.max_bytes ({limits.max_bytes})")
    try:
        return _read(raw, blobs, limits)
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        return fallback.read(raw, blobs, f"{type(error).__name__}: {error}")


def _read(raw: Buffer, blobs: Sink, limits: config.Parsing) -> Message:
    end = len(raw)
    head = headers.read_head(raw, headers.beginning(raw), end)
    fields = head.fields
    if (
        head.body - headers.MAX_HEAD >= 0
        and raw.find(b"\n\n", 0, head.body + 4) < 0
        and raw.find(b"\n\r\n", 0, head.body + 4) < 0
    ):
        raise Unparsable(f"the header is larger than {headers.MAX_HEAD} bytes")
    if not fields and not raw[:1_000].strip(b"\0\r\n\t "):
        raise Unparsable("an empty message")
    problems = list(head.problems)
    body = Body(raw, blobs, problems)
    charset = None
    for leaf in leaves(raw, head, end, limits, problems):
        if charset is None:
            charset = leaf.params.get("charset")
        body.add(leaf)
    date = dates.date_of(_text(fields, "date", charset))
    if date is None and "date" in fields:
        problems.append("a date that can't be read")
    authors = _addresses(fields, "from", charset)
    if not authors:
        problems.append("no sender")
    ids = headers.message_ids(fields.get("message-id", [])[:1], 2)
    kind = params.value(fields["content-type"][0]).word if "content-type" in fields else ""
    return Message(
        message_id=ids[0] if ids else None,
        date=date,
        from_=next((author for author in authors if author.email), authors[0]) if authors else None,
        to=_recipients(fields, "to", charset),
        cc=_recipients(fields, "cc", charset),
        bcc=_recipients(fields, "bcc", charset),
        reply_to=_recipients(fields, "reply-to", charset),
        subject=_text(fields, "subject", charset)[:MAX_SUBJECT],
        in_reply_to=headers.message_ids(fields.get("in-reply-to", []), MAX_REFERENCES),
        references=headers.message_ids(fields.get("references", []), MAX_REFERENCES),
        headers=headers.kept(fields, charset),
        content_type=params.content_type(kind, "text/plain"),
        text=clean(body.text()),
        attachments=tuple(body.attachments),
        embedded=tuple(body.embedded),
        size=end,
        problems=tuple(dict.fromkeys(problems))[:MAX_PROBLEMS] if problems else (),
    )


def _first(fields: Fields, name: str) -> bytes:
    """The first value that says something: repeated fields never add up."""
    values = fields.get(name)
    if values is None:
        return b""
    return values[0] if len(values) == 1 else next((value for value in values if value.strip()), b"")


def _text(fields: Fields, name: str, charset: str | None) -> str:
    value = _first(fields, name)
    return headers.text(value, charset) if value else ""


def _addresses(fields: Fields, name: str, charset: str | None) -> tuple[Address, ...]:
    value = _first(fields, name)
    return address_list.addresses(value, charset) if value else ()


def _recipients(fields: Fields, name: str, charset: str | None) -> tuple[Address, ...]:
    """Recipients of all fields of that name, without entries that name no address."""
    values = fields.get(name)
    if values is None:
        return ()
    found = address_list.addresses(values[0] if len(values) == 1 else b", ".join(values), charset)
    return found if all(each.email for each in found) else tuple([each for each in found if each.email])
