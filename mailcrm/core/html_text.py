"""Readable text from HTML, for mail that has no plain text.

One pass over the tags, no tree: a tree builder's time grows with the square of the nesting, and mail is hostile.
Quoted parts (``blockquote``) come out with ``> `` before each line, as in plain text.
"""

from __future__ import annotations

import html
import re

MAX_HTML = 1_000_000  # characters that are read
MAX_QUOTES = 20

TAG = re.compile(
    r"<!--.*?(?:-->|\Z)|<[!?][^>]*(?:>|\Z)"
    r"|<(/?)([a-zA-Z][a-zA-Z0-9:]{0,30})((?:[^<>\"']+|\"[^\"<]{0,20000}\"|'[^'<]{0,20000}'|[\"'])*)(?:>|(?=<)|\Z)",
    re.DOTALL,
)
"""A tag: whether it closes, its name, its attributes; or a comment. Takes linear time, whatever it is given."""

_SKIPPED = {"head", "style", "script", "title", "template", "svg", "math", "select"}
_BREAKS = {
    "br", "p", "div", "tr", "li", "ul", "ol", "dl", "dt", "dd", "table", "tbody", "thead", "h1", "h2", "h3", "h4", "h5",
    "h6", "hr", "pre", "section", "article", "header", "footer", "center", "form", "address", "body", "html", "main",
}  # fmt: skip
_PARAGRAPHS = {"p", "h1", "h2", "h3", "h4", "h5", "h6", "table", "ul", "ol", "pre"}
_SPACES = re.compile(r"[ \t\n\r\f\v\u00a0]+")
_INVISIBLE = re.compile("[\u00ad\u034f\u200b-\u200f\u2060\ufeff]")


class _Lines:
    """Text being laid out in lines."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.line: list[str] = []
        self.depth = 0

    def end_line(self) -> None:
        """Finish the line, if anything is on it."""
        line = _SPACES.sub(" ", "".join(self.line)).strip()
        self.line.clear()
        if line:
            self.done.append("> " * self.depth + line)

    def blank(self) -> None:
        """Finish the line and leave one blank line, quoted as deep as what follows."""
        self.end_line()
        mark = ("> " * self.depth).rstrip()
        if self.done and self.done[-1] not in ("", mark):
            self.done.append(mark)


def text_of(source: str) -> str:
    """The text of an HTML document, in lines, quotes marked. Never raises."""
    source = source[:MAX_HTML]
    lines = _Lines()
    skipping: str | None = None
    preformatted = position = 0
    for match in TAG.finditer(source):
        if skipping is None and match.start() > position:
            _add(lines, source[position : match.start()], preformatted > 0)
        position = match.end()
        closing, name = match[1], (match[2] or "").lower()
        if not name:
            continue
        if skipping is not None:
            if (closing and name == skipping) or (skipping == "head" and name == "body"):
                skipping = None
            continue
        if name in _SKIPPED:
            skipping = None if closing or match[3].endswith("/") else name
        elif name == "blockquote":
            lines.end_line()
            lines.depth = min(MAX_QUOTES, max(0, lines.depth + (-1 if closing else 1)))
        elif name == "br":
            if lines.line:
                lines.end_line()
            else:
                lines.blank()
        elif name in ("td", "th"):
            lines.line.append(" ")
        elif name == "li" and not closing:
            lines.end_line()
            lines.line.append("- ")
        elif name in _BREAKS:
            if name == "pre":
                preformatted = max(0, preformatted + (-1 if closing else 1))
            if name in _PARAGRAPHS:
                lines.blank()
            else:
                lines.end_line()
    if skipping is None and position < len(source):
        _add(lines, source[position:], preformatted > 0)
    lines.end_line()
    return "\n".join(lines.done).strip("\n")


def _add(lines: _Lines, content: str, preformatted: bool) -> None:
    if "&" in content:
        content = html.unescape(content)
    content = _INVISIBLE.sub("", content)
    if not preformatted:
        lines.line.append(content)
        return
    first, *others = content.split("\n")
    lines.line.append(first)
    for other in others:
        lines.end_line()
        lines.line.append(other)
