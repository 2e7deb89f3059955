"""The language of templates: what of Liquid is let in, so that none loops for long, grows large or reads a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, wraps
from typing import Any

from liquid import BoundTemplate, Environment, RenderContext
from liquid.ast import Node
from liquid.builtin.expressions.primitive import RangeLiteral
from liquid.builtin.tags.for_tag import ForNode
from liquid.exceptions import LiquidError, LiquidSyntaxError, ResourceLimitError, UndefinedError, UnknownFilterError
from liquid.expression import Expression
from liquid.undefined import FalsyStrictUndefined

from mailcrm.core.letters import LONGEST, BadTemplate, MissingVariable

TAGS = frozenset({"if", "unless", "case", "for", "break", "continue", "assign", "comment", "#"})
_INNER = frozenset({"content", "output", "illegal"})  # what is no tag to an author, but one to the library
FILTERS = frozenset(
    {"append", "prepend", "capitalize", "upcase", "downcase", "strip", "truncate", "truncatewords", "default"}
    | {"first", "last", "size", "plus", "minus", "times", "divided_by", "round", "at_least", "at_most"}
    | {"newline_to_br"}
)
"""Those whose work and result are hardly longer than what they are given: ``replace`` and ``split`` multiply."""
MOST_LOOPS = 20
"""Of one template: each goes round 1,000 times at most, those within it included."""


def variables_of(template: str) -> frozenset[tuple[str, ...]]:
    """See ``letters.variables_of``."""
    segments = _compiled(template, "template").global_variable_segments()
    return frozenset(tuple(str(part) for part in path) for path in segments)


def filled(template: str, variables: Mapping[str, Any], what: str, *, html: bool = False) -> str:
    """Fill a template in; ``what`` names it in errors. Raises MissingVariable, BadTemplate; see ``letters.render``.

    Args:
        html: the values become text of an HTML document: what is markup in them is escaped.
    """
    compiled = _compiled(template, what, html)
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
    except RecursionError:
        raise BadTemplate(f"the {what} is nested too deeply; simplify it") from None


class _Liquid(Environment):
    """No loops without end, no output without end; no tag or filter that is not listed above."""

    loop_iteration_limit = 1_000
    local_namespace_limit = LONGEST
    output_stream_limit = LONGEST

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        """Keep what is harmless."""
        super().setup_tags_and_filters(extra=extra)
        self.tags = {name: tag for name, tag in self.tags.items() if name in TAGS | _INNER}
        self.filters = {name: _short(each) for name, each in self.filters.items() if name in FILTERS}


def _short(each: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that gives no long text on to the next one: many in a row would copy it as often."""

    @wraps(each)
    def filtered(*args: Any, **kwargs: Any) -> Any:
        found = each(*args, **kwargs)
        if isinstance(found, str) and len(found) > LONGEST:
            raise ResourceLimitError("a filter's result is too long", token=None)
        return found

    return filtered


@lru_cache(2)
def _liquid(html: bool) -> _Liquid:
    return _Liquid(undefined=FalsyStrictUndefined, autoescape=html)


@lru_cache(200)
def _compiled(template: str, what: str, html: bool = False) -> BoundTemplate:
    if len(template) > LONGEST:
        raise BadTemplate(f"the {what} is longer than {LONGEST} characters; shorten it")
    try:
        found = _liquid(html).from_string(template)
        context = RenderContext(found)
        ranges, loops = _has_range(found.nodes, context), _loops(found.nodes, context)
    except LiquidError as error:
        raise _bad(error, what) from None
    except RecursionError:
        raise BadTemplate(f"the {what} is nested too deeply; simplify it") from None
    if ranges:
        raise BadTemplate(f"the {what} has a range such as (1..3); write out what is to be repeated")
    if loops > MOST_LOOPS:
        raise BadTemplate(f"the {what} has more than {MOST_LOOPS} loops; leave some out")
    return found


def _has_range(nodes: Iterable[Node], context: RenderContext) -> bool:
    """Whether it counts anywhere: a range turned round is a list as long as its numbers say."""
    return any(any(map(_is_range, node.expressions())) or _has_range(node.children(context), context) for node in nodes)


def _loops(nodes: Iterable[Node], context: RenderContext) -> int:
    return sum(isinstance(node, ForNode) + _loops(node.children(context), context) for node in nodes)


def _is_range(expression: Expression) -> bool:
    return isinstance(expression, RangeLiteral) or any(map(_is_range, expression.children()))


def _bad(error: LiquidError, what: str) -> BadTemplate:
    place = error.context() if error.token else None
    where = f" in line {place[0]}" if place else ""
    known = f"; known are {', '.join(sorted(FILTERS))}" if isinstance(error, UnknownFilterError) else ""
    kind = "" if isinstance(error, LiquidSyntaxError) else f"{type(error).__name__}: "
    return BadTemplate(f"the {what} is no template{where}: {kind if not error.args else ''}{error.args[0]}{known}")


def _name(error: UndefinedError) -> str:
    """The variable as the author wrote it."""
    return str(error.args[0]).removesuffix(" is undefined").strip("'")
