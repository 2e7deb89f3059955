"""The copy of a mail that its sender keeps: without what would take his own looking into it for the recipient's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from html import escape

_MARK = r"[A-Za-z0-9_-]{16,64}"
_AS_IT_IS = policy.SMTP.clone(refold_source="none")
_SAME = ("Message-ID", "From", "To", "Subject", "Date")


def own_copy(content: bytes, base_url: str, links: Mapping[str, str]) -> bytes:
    """A mail without its image for openings, and with the links as they were written.

    Args:
        content: as it left.
        base_url: ``web.base_url``, as ``core.tracked`` was given it.
        links: where the click of each token leads.

    Returns:
        The same bytes if nothing of that is in it, or if it could not be written anew as the same mail.
    """
    base = re.escape(escape(base_url.rstrip("/")))
    try:
        message = BytesParser(EmailMessage, policy=_AS_IT_IS).parsebytes(content)
        pages = [part for part in message.walk() if part.get_content_type() == "text/html" and not part.is_multipart()]
        changed = [each for each in pages if isinstance(each, EmailMessage) and _mended(each, base, links)]
        if not changed:
            return content
        for part in changed:
            if part is not message:
                del part["MIME-Version"]
        written = message.as_bytes(policy=_AS_IT_IS)
        again = BytesParser(EmailMessage, policy=_AS_IT_IS).parsebytes(written)
        same = all(str(message[name]) == str(again[name]) for name in _SAME)
    except (ValueError, LookupError, AttributeError, TypeError):  # what the library says to mail that it can't read
        return content
    return written if same else content


def _mended(part: EmailMessage, base: str, links: Mapping[str, str]) -> bool:
    """Write one page anew; False: there is nothing to be changed in it."""
    before = part.get_content()
    if not isinstance(before, str):
        return False
    page = re.sub(rf'<img src="{base}/o/{_MARK}\.gif"[^<>]*>', "", before)
    page = re.sub(rf'<a href="{base}/c/{_MARK}" aria-hidden="true"[^<>]*></a>', "", page)
    page = re.sub(rf'"{base}/c/({_MARK})"', lambda found: _link(found, links), page)
    if page == before:
        return False
    part.set_content(page, subtype="html", cte="quoted-printable")
    return True


def _link(found: re.Match[str], links: Mapping[str, str]) -> str:
    url = links.get(found[1])
    return found[0] if url is None else f'"{escape(url)}"'
