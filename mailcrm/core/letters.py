"""Letters: Liquid templates made into a subject and a text. A template can compute nothing costly and read nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from unicodedata import category

from mailcrm.core.text import clean
from mailcrm.errors import Refused

LONGEST = 100_000
"""Characters of a template, and bytes of what it becomes."""


class BadTemplate(Refused):
    """A template that can't be used; the text says why and where."""


class MissingVariable(Refused):
    """The template asks for something that this contact, deal or organization does not have. ``name`` is that."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"{{{{ {name} }}}} has no value here; fill it in, or write {{{{ {name} | default: '…' }}}}")


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail as its reader will see it: one line of subject, plain text with ``\\n``."""

    subject: str
    text: str


def render(subject: str, body: str, variables: Mapping[str, Any], signature: str = "") -> Letter:
    """Fill a template in.

    Args:
        variables: ``person``, ``deal``, ``lead``, ``organization``, ``rep``: a mapping of names to values each; what
            has no value is left out, so that ``default`` and ``if`` can tell.
        signature: put under the text, unless the template ends with it already.

    Raises:
        MissingVariable: a value is written out that there is none of.
        BadTemplate: as ``variables_of``; or it became too long, or nothing at all.
    """
    title = _line(_filled(subject, variables, "subject"))
    text = _plain(_filled(body, variables, "body")).strip()
    if not title or not text:
        raise BadTemplate(f"the {'body' if title else 'subject'} is empty once it is filled in; write something")
    signed = signature.replace("\r\n", "\n").strip()
    if signed and not text.endswith(signed):
        text = f"{text}\n\n-- \n{signed}"  # RFC 3676, 4.3
    return Letter(title, f"{text}\n")


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


def _filled(template: str, variables: Mapping[str, Any], what: str) -> str:
    from mailcrm.core import liquid

    return liquid.filled(template, variables, what)


def _line(text: str) -> str:
    """One line of what is seen: no control, no mark that turns the direction of writing."""
    return " ".join("".join(c if c.isprintable() else " " if c.isspace() else "" for c in clean(text)).split())


def _plain(text: str) -> str:
    """Lines that end in ``\\n``, without control characters save tabs."""
    lines = "\n".join(clean(text).splitlines())
    return "".join(c for c in lines if c in "\n\t" or category(c) != "Cc")
