"""Letters: Liquid templates made into a subject and a text. A template can compute nothing costly and read nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from unicodedata import category

from liquid import BoundTemplate, Environment, RenderContext
from liquid.ast import Node
from liquid.builtin.expressions.primitive import RangeLiteral
from liquid.exceptions import LiquidError, LiquidSyntaxError, ResourceLimitError, UndefinedError, UnknownFilterError
from liquid.expression import Expression
from liquid.undefined import FalsyStrictUndefined

from mailcrm.core.text import clean
from mailcrm.errors import Refused

LONGEST = 100_000
"""Characters of a template, and bytes of what it becomes."""

_TAGS = frozenset({"if", "unless", "case", "for", "break", "continue", "assign", "comment", "#"})
_INNER = frozenset({"content", "output", "illegal"})  # what is no tag to an author, but one to the library
_FILTERS = frozenset(
    {"append", "prepend", "capitalize", "upcase", "downcase", "strip", "truncate", "truncatewords", "default"}
    | {"first", "last", "size", "plus", "minus", "times", "divided_by", "round", "at_least", "at_most"}
)
"""Those whose work and result are no longer than what they are given: ``replace`` and ``split`` multiply."""


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
    segments = _compiled(template, "template").global_variable_segments()
    return frozenset(tuple(str(part) for part in path) for path in segments)


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


class _Liquid(Environment):
    """No loops without end, no output without end; no tag or filter that is not listed above."""

    loop_iteration_limit = 1_000
    local_namespace_limit = LONGEST
    output_stream_limit = LONGEST

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        """Keep what is harmless."""
        super().setup_tags_and_filters(extra=extra)
        self.tags = {name: tag for name, tag in self.tags.items() if name in _TAGS | _INNER}
        self.filters = {name: each for name, each in self.filters.items() if name in _FILTERS}


@lru_cache(1)
def _liquid() -> _Liquid:
    return _Liquid(undefined=FalsyStrictUndefined)


@lru_cache(200)
def _compiled(template: str, what: str) -> BoundTemplate:
    if len(template) > LONGEST:
        raise BadTemplate(f"the {what} is longer than {LONGEST} characters; shorten it")
    try:
        found = _liquid().from_string(template)
        ranges = _has_range(found.nodes, RenderContext(found))
    except LiquidError as error:
        raise _bad(error, what) from None
    except RecursionError:
        raise BadTemplate(f"the {what} is nested too deeply; simplify it") from None
    if ranges:
        raise BadTemplate(f"the {what} has a range such as (1..3); write out what is to be repeated")
    return found


def _has_range(nodes: Iterable[Node], context: RenderContext) -> bool:
    """Whether it counts anywhere: a range turned round is a list as long as its numbers say."""
    return any(any(map(_is_range, node.expressions())) or _has_range(node.children(context), context) for node in nodes)


def _is_range(expression: Expression) -> bool:
    return isinstance(expression, RangeLiteral) or any(map(_is_range, expression.children()))


def _filled(template: str, variables: Mapping[str, Any], what: str) -> str:
    compiled = _compiled(template, what)
    try:
        return compiled.render(**variables)
    except UndefinedError as error:
        raise MissingVariable(_name(error)) from None
    except ResourceLimitError:
        raise BadTemplate(f"the {what} becomes too long, or goes round too often; shorten it") from None
    except LiquidError as error:
        raise _bad(error, what) from None
    except (ValueError, TypeError, ArithmeticError) as error:
        raise BadTemplate(f"the {what} can't be filled in: {error}") from None


def _bad(error: LiquidError, what: str) -> BadTemplate:
    place = error.context() if error.token else None
    where = f" in line {place[0]}" if place else ""
    known = f"; known are {', '.join(sorted(_FILTERS))}" if isinstance(error, UnknownFilterError) else ""
    kind = "" if isinstance(error, LiquidSyntaxError) else f"{type(error).__name__}: "
    return BadTemplate(f"the {what} is no template{where}: {kind if not error.args else ''}{error.args[0]}{known}")


def _name(error: UndefinedError) -> str:
    """The variable as the author wrote it."""
    return str(error.args[0]).removesuffix(" is undefined").strip("'")


def _line(text: str) -> str:
    """One line of what is seen: no control, no mark that turns the direction of writing."""
    return " ".join("".join(c if c.isprintable() else " " if c.isspace() else "" for c in clean(text)).split())


def _plain(text: str) -> str:
    """Lines that end in ``\\n``, without control characters save tabs."""
    lines = "\n".join(clean(text).splitlines())
    return "".join(c for c in lines if c in "\n\t" or category(c) != "Cc")
