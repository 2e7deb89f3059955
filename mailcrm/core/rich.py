"""Letters in HTML: what of it is sent, the text that stands beside it, plain text as HTML.

Nothing runs, asks for data, or is hidden from its reader; a picture is part of the mail, or comes from an ``https``
address.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from html import escape, unescape
from html.parser import HTMLParser
from typing import TYPE_CHECKING

from mailcrm.core import html_text
from mailcrm.core.styles import PROPERTIES, shown

if TYPE_CHECKING:
    import nh3

_TAGS = frozenset(
    {"a", "b", "strong", "i", "em", "u", "s", "del", "small", "sub", "sup", "span", "p", "br", "div", "center", "hr"}
    | {"h1", "h2", "h3", "h4", "ul", "ol", "li", "dl", "dt", "dd", "blockquote", "pre", "code", "img"}
    | {"table", "caption", "thead", "tbody", "tfoot", "tr", "td", "th"}
)
_ATTRIBUTES: Mapping[str, frozenset[str]] = {
    "*": frozenset({"style", "dir", "lang", "align", "title"}),
    "a": frozenset({"href"}),
    "img": frozenset({"src", "alt", "width", "height", "border"}),
    "ol": frozenset({"start", "type"}),
    "table": frozenset({"width", "border", "cellpadding", "cellspacing", "bgcolor"}),
    "tr": frozenset({"valign", "bgcolor"}),
    **dict.fromkeys(("td", "th"), frozenset({"colspan", "rowspan", "width", "valign", "bgcolor"})),
}
_EMPTIED = frozenset({"script", "style", "title", "template", "noscript", "iframe", "object", "svg", "math", "select"})
_LINKS = ("https", "http", "mailto", "tel")
_SCHEME = re.compile(r"\s*([a-zA-Z][a-zA-Z0-9+.-]*):")
_ADDRESS = re.compile(r"(https?://[^\s<>\"]{1,2000}[^\s<>\".,;:!?')\]}])")
_ANCHOR = re.compile(r'<a((?: [a-z]+="[^"]*")*)>(.*?)</a>', re.DOTALL)
_PICTURE = re.compile(r'<img((?: [a-z]+="[^"]*")*)>')
_VALUE = re.compile(r' ([a-z]+)="([^"]*)"')


def cleaned(html: str, cids: Mapping[str, str]) -> str:
    """Of some HTML what may be sent: a fragment, well formed, of harmless tags and attributes.

    Args:
        cids: of each picture that goes along: the name by which ``src`` tells it, and its Content-ID.
    """
    return _PICTURE.sub(lambda found: found[0] if "src" in _values(found[1]) else "", _cleaner(cids).clean(html))


def pictures(html: str) -> list[str]:
    """The names of the pictures beside the definition that some HTML shows, each once; it may be a template."""
    found = _Reader(html)
    return list(dict.fromkeys(src for src in found.sources if _SCHEME.match(src) is None and "{" not in src))


def left_out(html: str) -> list[str]:
    """What an author wrote that is not sent, in words, each once; it may be a template."""
    return list(dict.fromkeys(_Reader(html).left_out))


def text_of(html: str) -> str:
    """The text that says the same as some cleaned HTML: links with their addresses, pictures by their ``alt``."""
    with_words = _PICTURE.sub(lambda found: _values(found[1]).get("alt", ""), html)
    return html_text.text_of(_ANCHOR.sub(_spelled_out, with_words))


def from_text(text: str) -> str:
    """Plain text as HTML, line by line; addresses of web pages become links."""
    return "<br>\n".join(_with_links(line) for line in text.splitlines())


def _with_links(line: str) -> str:
    words = _ADDRESS.split(line)  # every other one is an address
    links = (
        f'<a href="{escape(word)}">{escape(word)}</a>' if index % 2 else escape(word)
        for index, word in enumerate(words)
    )
    return "".join(links)


def _cleaner(cids: Mapping[str, str]) -> nh3.Cleaner:
    import nh3  # here, for most commands write no letter

    return nh3.Cleaner(
        tags=set(_TAGS),
        clean_content_tags=set(_EMPTIED),
        attributes={tag: set(names) for tag, names in _ATTRIBUTES.items()},
        attribute_filter=partial(_attribute, cids),
        link_rel=None,
        url_schemes={*_LINKS, "cid"},
        filter_style_properties=set(PROPERTIES),
    )


def _attribute(cids: Mapping[str, str], _tag: str, name: str, value: str) -> str | None:
    if name == "style":
        return shown(value)[0] or None
    scheme = (_SCHEME.match(value) or ("", ""))[1].lower()
    if name == "src":
        return f"cid:{cids[value]}" if value in cids else value if scheme == "https" else None
    if name == "href":
        return value if scheme in _LINKS else None
    return value


def _spelled_out(found: re.Match[str]) -> str:
    """A link as it reads: ``our offer <https://…>``; its address alone where its words are that."""
    address, words = _values(found[1]).get("href", ""), found[2]
    target = unescape(address).removeprefix("mailto:").removeprefix("tel:")
    said = unescape(html_text.text_of(words))
    return words if not target or "".join(said.split()) == target else f"{words} &lt;{escape(target)}&gt;"


def _values(attributes: str) -> dict[str, str]:
    return dict(_VALUE.findall(attributes))


class _Reader(HTMLParser):
    """What stands in HTML as its author wrote it."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.sources: list[str] = []
        self.left_out: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the pictures, and what is not sent."""
        if tag not in _TAGS:
            if tag not in ("html", "head", "body", "meta"):
                self.left_out.append(f"<{tag[:40]}>")
            return
        for name, value in ((name, value or "") for name, value in attrs):
            if tag == "img" and name == "src":
                self.sources.append(value)
            if name not in _ATTRIBUTES["*"] and name not in _ATTRIBUTES.get(tag, ()):
                self.left_out.append(f"{name[:40]} of <{tag}>")
            elif name == "style":
                self.left_out += [f"style {declaration[:60]}" for declaration in shown(value)[1]]
            elif name in ("src", "href") and "{" not in value:
                scheme = (_SCHEME.match(value) or ("", ""))[1].lower()
                known = scheme == "https" or not scheme if name == "src" else scheme in _LINKS
                if not known:
                    self.left_out.append(f"{name} {value[:60]}")
