"""Letters: Liquid templates made into a subject and a text. A template can compute nothing costly and read nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mailcrm.core import rich
from mailcrm.core.text import clean
from mailcrm.errors import Refused

LONGEST = 100_000
"""Characters of a template, and bytes of what it becomes."""

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
MOST_TAGS = 5_000
"""Of HTML: reading it takes time by the square of their nesting."""
LONGEST_SUBJECT = 1_000
"""Characters: servers refuse mail whose header is very long."""
_JOINERS = "\u200c\u200d"  # Persian words and many emoji are spelled with them


class BadTemplate(Refused):
    """A template that can't be used; the text says why and where."""


class MissingVariable(Refused):
    """The template asks for something that this contact, deal or organization does not have. ``name`` is that."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"{{{{ {name} }}}} has no value here; fill it in, or write {{{{ {name} | default: '…' }}}}")


@dataclass(frozen=True, slots=True)
class Image:
    """A picture that is part of a letter.

    Args:
        cid: its Content-ID, without ``<>``.
        name: by which a template's ``src`` tells it: the path of its file beside the definition.
        type: ``image/png`` and the like.
    """

    cid: str
    name: str
    type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a letter.

    Args:
        name: as its author calls it; what no file may be called is taken out (``core.attached``).
        type: ``application/pdf`` and the like.
    """

    name: str
    type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail as its reader will see it: one line of subject, plain text with ``\n``, perhaps the same in HTML.

    Args:
        html: a cleaned fragment (``core.rich``).
        images: those that the HTML shows.
    """

    subject: str
    text: str
    html: str | None = None
    images: tuple[Image, ...] = ()
    attachments: tuple[Attachment, ...] = ()


def render(
    subject: str,
    body: str,
    variables: Mapping[str, Any],
    signature: str = "",
    html: str | None = None,
    images: Sequence[Image] = (),
) -> Letter:
    """Fill a template in.

    Args:
        body: plain text; empty beside ``html``: made from that.
        variables: ``person``, ``deal``, ``lead``, ``organization``, ``rep``: a mapping of names to values each; what
            has no value is left out, so that ``default`` and ``if`` can tell.
        signature: put at the bottom, unless the template ends with it already.
        html: values are escaped in it, and it is cleaned once they stand there.
        images: those that the HTML may show.

    Raises:
        MissingVariable: a value is written out that there is none of.
        BadTemplate: as ``variables_of``; or it became too long, or nothing at all.
    """
    title = _line(_filled(subject, variables, "subject"))
    rich_ = _rich(html, variables, images) if html else None
    said = rich.text_of(rich_ or "")
    text = _plain(_filled(body, variables, "body")).strip() or said
    if not title or not (text or rich_):
        raise BadTemplate(f"the {'body' if title else 'subject'} is empty once it is filled in; write something")
    if len(title) > LONGEST_SUBJECT:
        raise BadTemplate(f"the subject has more than {LONGEST_SUBJECT} characters once it is filled in; shorten it")
    signed = _plain(signature).strip()
    if signed and rich_ and not _same(said).endswith(_same(signed)):
        rich_ = f"{rich_}\n<p>-- <br>\n{rich.from_text(signed)}</p>"
    if signed and not text.endswith(signed):
        text = f"{text}\n\n-- \n{signed}"  # RFC 3676, 4.3
    seen = tuple(image for image in images if rich_ and f'src="cid:{image.cid}"' in rich_)
    return Letter(title, f"{text.strip()}\n", f"{rich_}\n" if rich_ else None, seen)


def reply_to(subject: str) -> str:
    """The subject of a reply to a mail: ``Re:`` and that of the mail, on one line."""
    before = _line(subject)[: LONGEST_SUBJECT - 4]
    return before if before[:3].casefold() == "re:" else f"Re: {before}"


def fill(template: str, variables: Mapping[str, Any]) -> str:
    """Fill in one short text that is no letter: a notice, a message to a telephone. Raises as ``render``."""
    return _plain(_filled(template, variables, "text")).strip()


def variables_of(template: str) -> frozenset[tuple[str, ...]]:
    """Everything from outside that a template names, part by part: ``("person", "first_name")``.

    Raises:
        BadTemplate: it is not Liquid, has an unknown tag or filter, or is longer than ``LONGEST``.
    """
    from mailcrm.core import liquid  # here, for the library takes longer to load than most commands run

    return liquid.variables_of(template)


def first_name(name: str) -> str | None:
    """What somebody is called: ``Ewa Zielińska`` and ``Zielińska, Ewa`` are Ewa; an address is no name."""
    if is_address(name):
        return None
    last, comma, first = name.partition(",")
    words = (first if comma else last).split()
    return words[0] if words else None


def is_address(name: str) -> bool:
    """Whether somebody goes by his address, for want of a name."""
    return "@" in name and len(name.split()) == 1


def is_shown(text: str) -> bool:
    """Whether all of it is to be seen on one line, or joins what is."""
    return all(c.isprintable() or c in _JOINERS for c in text)


def _filled(template: str, variables: Mapping[str, Any], what: str, *, html: bool = False) -> str:
    from mailcrm.core import liquid

    return liquid.filled(template, variables, what, html=html)


def _rich(html: str, variables: Mapping[str, Any], images: Sequence[Image]) -> str:
    cids = {image.name: image.cid for image in images}
    page = _plain(_filled(html, variables, "html", html=True))
    if page.count("<") > MOST_TAGS:
        raise BadTemplate(f"the html has more than {MOST_TAGS} tags; shorten it")
    return _plain(rich.cleaned(page, cids)).strip()


def _same(text: str) -> str:
    """Text without regard to how its lines are broken."""
    return " ".join(text.split())


def _line(text: str) -> str:
    """One line of what is seen: no control, no mark that turns the direction of writing."""
    return " ".join("".join(c if is_shown(c) else " " if c.isspace() else "" for c in clean(text)).split())


def _plain(text: str) -> str:
    """Lines that end in ``\\n``, without control characters save tabs."""
    return _CONTROL.sub("", "\n".join(clean(text).splitlines()))
