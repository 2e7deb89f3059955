"""Second opinion: mail-parser reads what our own lane failed on, so that a fault of ours loses no mail."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC
from typing import Any

from mailcrm.core.html_text import text_of
from mailcrm.core.model import Address, Attachment, Message
from mailcrm.core.text import clean
from mailcrm.mail import headers, params
from mailcrm.mail.address_list import addresses
from mailcrm.mail.body import MAX_TEXTS
from mailcrm.mail.content import Sink
from mailcrm.mail.mime import Unparsable

MAX_BYTES = 5_000_000  # it takes seconds for more


def read(raw: headers.Buffer, blobs: Sink, why: str) -> Message:
    """The message as mail-parser sees it, with ``why`` among its problems.

    Raises:
        Unparsable: the library fails too, or the message is too large for it.
    """
    if len(raw) > MAX_BYTES:
        raise Unparsable(f"could not be read ({why})")
    try:
        import mailparser  # large, and hardly ever needed

        mail = mailparser.parse_from_bytes(raw[:])
        return _converted(mail, blobs, len(raw), why)
    except Exception as error:  # noqa: BLE001 - whatever a library raises on hostile input
        raise Unparsable(f"could not be read ({why}; {type(error).__name__}: {error})") from None


def _converted(mail: Any, blobs: Sink, size: int, why: str) -> Message:
    date = mail.date
    ids = headers.message_ids([str(mail.message_id or "").encode()], 2)
    return Message(
        message_id=ids[0] if ids else None,
        date=date.replace(tzinfo=UTC) if date and date.tzinfo is None else date,
        from_=next(iter(_people(mail.from_)), None),
        to=tuple(_people(mail.to)),
        cc=tuple(_people(mail.cc)),
        subject=headers.clean(str(mail.subject or ""))[:2_000],
        text=clean("\n".join(mail.text_plain) or text_of("\n".join(mail.text_html)))[:MAX_TEXTS],
        attachments=tuple(_files(mail.attachments, blobs)),
        size=size,
        problems=(f"read by mail-parser ({why})",),
    )


def _people(pairs: Any) -> list[Address]:
    found = []
    for name, email in pairs or ():
        read = addresses(str(email).encode("utf-8", "replace"))
        found.append(Address(headers.clean(str(name)), read[0].email if read else ""))
    return found


def _files(attachments: Any, blobs: Sink) -> list[Attachment]:
    found = []
    for number, each in enumerate(attachments, start=1):
        payload = str(each["payload"])
        try:
            data = base64.b64decode(payload) if each["binary"] else payload.encode("utf-8", "replace")
        except binascii.Error:
            data = payload.encode("utf-8", "replace")
        kind = params.content_type(str(each["mail_content_type"]), "application/octet-stream")
        sha256, size = blobs.put(data)
        name = params.safe_name(str(each["filename"])) or f"part-{number}.{params.ending(kind)}"
        found.append(Attachment(name, kind, size, sha256))
    return found
