"""The tree of parts, walked over the raw bytes without copying them (RFC 2046). What is broken is mended.

A part that holds a message is a leaf here: its text is not this message's text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

from mailcrm import config
from mailcrm.errors import Permanent
from mailcrm.mail import params
from mailcrm.mail.headers import Buffer, Fields, Head, read_head

_GUESSED = re.compile(rb"(?:\A|\n)--([^\s\-][^\r\n]{0,199}?)[ \t]*\r?\n(?=[!-9;-~]{1,60}:|\r?\n)")
_GUESS_WITHIN = 64_000


class Unparsable(Permanent):
    """A message beyond the bounds of [parsing]; the text says which."""


class Leaf(Struct, gc=False):
    """A part without parts. ``number`` counts the leaves from 1; alternatives of one text share ``group``, not 0."""

    kind: str
    params: dict[str, str]
    fields: Fields
    start: int
    end: int
    number: int
    group: int


class _Section(Struct, gc=False):
    """Bytes that start with a part's header; ``head`` is given for the whole message, whose header is read already."""

    start: int
    end: int
    depth: int
    default: str
    group: int
    head: Head | None = None


def leaves(raw: Buffer, head: Head, end: int, limits: config.Parsing, problems: list[str]) -> Iterator[Leaf]:
    """The leaves in order.

    Args:
        raw: the whole message.
        head: its header, read.
        end: where the message ends in ``raw``.
        limits: bounds on parts and depth.
        problems: gets a line for everything that had to be mended.

    Raises:
        Unparsable: too many parts, or nested too deep.
    """
    pending = [_Section(head.body, end, 0, "text/plain", 0, head)]
    parts = number = groups = 0
    while pending:
        section = pending.pop()
        own = section.head
        if own is None:
            own = read_head(raw, section.start, section.end)
        given = own.fields.get("content-type")
        value = params.value(given[0]) if given else None
        if value is None:
            kind, parameters = section.default, {}
        else:
            kind, parameters = value.word, value.params
        if kind.startswith("multipart/"):
            boundary, spans = _spans(raw, own.body, section.end, parameters.get("boundary"), limits.max_parts, problems)
            if boundary:
                parts += len(spans)
                if parts > limits.max_parts:
                    raise Unparsable(
                        f"more than {limits.max_parts} parts; raise parsing.max_parts if it is honest mail"
                    )
                if section.depth >= limits.max_depth:
                    raise Unparsable(
                        f"parts nested deeper than {limits.max_depth}; raise parsing.max_depth if it is honest mail"
                    )
                group = section.group
                if kind == "multipart/alternative" and not group:
                    groups += 1
                    group = groups
                default = "message/rfc822" if kind == "multipart/digest" else "text/plain"
                pending += [_Section(s, e, section.depth + 1, default, group) for s, e in reversed(spans)]
                continue
            problems.append("a multipart without its boundary")
            kind = "text/plain"
        number += 1
        if own.problems:
            problems.extend(own.problems)
        yield Leaf(kind, parameters, own.fields, own.body, section.end, number, section.group)


def _spans(
    raw: Buffer, start: int, end: int, declared: str | None, most: int, problems: list[str]
) -> tuple[bytes, list[tuple[int, int]]]:
    """The boundary that holds and where the parts lie; an empty boundary where there is none."""
    boundary = declared.encode("latin-1").rstrip() if declared else b""
    if boundary:
        spans, closed = _split(raw, start, end, boundary, most)
        if spans:
            if not closed:
                problems.append("a multipart that is cut off")
            return boundary, spans
    match = _GUESSED.search(raw[start : min(end, start + _GUESS_WITHIN)])
    if match is None:
        return b"", []
    problems.append("a multipart whose boundary was guessed")
    return match[1], _split(raw, start, end, match[1], most)[0]


def _split(raw: Buffer, start: int, end: int, boundary: bytes, most: int) -> tuple[list[tuple[int, int]], bool]:
    """Where the parts between the boundary lines lie, and whether the closing line was found."""
    line = b"\n--" + boundary
    size = len(line)
    spans: list[tuple[int, int]] = []
    opened = -1
    at = start - 1 if raw[start : start + size - 1] == line[1:] else raw.find(line, start, end)
    while at >= 0:
        after = raw[at + size : at + size + 2]
        final = after == b"--"
        if final or not after or after[:1] in b"\r\n \t":
            if opened >= 0:
                stop = at - 1 if raw[at - 1 : at] == b"\r" else at
                spans.append((opened, max(stop, opened)))
                if len(spans) > most:
                    break
            if final:
                return spans, True
            newline = raw.find(b"\n", at + size, end)
            if newline < 0:
                return spans, False
            opened = newline + 1
            at = raw.find(line, newline, end)
        else:
            at = raw.find(line, at + size, end)
    if 0 <= opened < end:
        spans.append((opened, end))
    return spans, False
