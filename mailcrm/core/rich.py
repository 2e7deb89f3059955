"""Letters in HTML: what of it is sent, the text that stands beside it, plain text as HTML.

Nothing runs, asks for data, or is hidden from its reader; a picture is part of the mail, or comes from an ``https``
address.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from html import escape, unescape
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
_WHOLE = ("html", "head", "body", "meta")
_LINKS = ("https", "http", "mailto", "tel")
_SCHEME = re.compile(r"\s*([a-zA-Z][a-zA-Z0-9+.-]*):")
_ADDRESS = re.compile(r"(https?://[^\s<>\"]{1,2000}[^\s<>\".,;:!?')\]}])")
_ANCHOR = re.compile(r'<a((?: [a-z]+="[^"]*")*)>(.*?)</a>', re.DOTALL)
_PICTURE = re.compile(r'<img((?: [a-z]+="[^"]*")*)>')
_GIVEN = re.compile(r"""([^\s"'<>/=]{1,60})(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'<>]+)))?""")
_VALUE = re.compile(r' ([a-z]+)="([^"]*)"')


def cleaned(html: str, cids: Mapping[str, str]) -> str:
    """Of some HTML what may be sent: a fragment, well formed, of harmless tags and attributes.

    Args:
        cids: of each picture that goes along: the name by which ``src`` tells it, and its Content-ID.
    """
    return _PICTURE.sub(lambda found: found[0] if "src" in _values(found[1]) else "", _cleaner(cids).clean(html))


def pictures(html: str) -> list[str]:
    """The names of the pictures beside the definition that some HTML shows, each once; it may be a template."""
    sources = (value for tag, given in _written(html) if tag == "img" for name, value in given if name == "src")
    return list(dict.fromkeys(src for src in sources if not _scheme(src) and "{" not in src))


def left_out(html: str) -> list[str]:
    """What an author wrote that is not sent, in words, each once; it may be a template."""
    found: dict[str, None] = {}
    for tag, given in _written(html):
        if tag in _TAGS:
            found |= dict.fromkeys(each for name, value in given for each in _not_sent(tag, name, value))
        elif tag not in _WHOLE:
            found[f"<{tag}>"] = None
    return list(found)


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
    scheme = _scheme(value)
    if name == "src":
        return f"cid:{cids[value]}" if value in cids else value if scheme == "https" else None
    if name == "href":
        return value if scheme in _LINKS else None
    return value


def _spelled_out(found: re.Match[str]) -> str:
    """A link as it reads: ``our offer <https://…>``; its address alone where its words are that."""
    address, words = _values(found[1]).get("href", ""), found[2]
    target = unescape(address).removeprefix("mailto:").removeprefix("tel:")
    said = unescape(html_text.text_of(words) if "<" in words else words)
    return words if not target or "".join(said.split()) == target else f"{words} &lt;{escape(target)}&gt;"


def _values(attributes: str) -> dict[str, str]:
    return dict(_VALUE.findall(attributes))


def _written(html: str) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """The tags that an author wrote, each with its attributes."""
    for tag in html_text.TAG.finditer(html):
        if tag[2] and not tag[1]:
            given = ((name.lower(), unescape(one or two or three)) for name, one, two, three in _GIVEN.findall(tag[3]))
            yield tag[2].lower(), list(given)


def _not_sent(tag: str, name: str, value: str) -> list[str]:
    """What of an attribute is left out."""
    if name not in _ATTRIBUTES["*"] and name not in _ATTRIBUTES.get(tag, ()):
        return [f"{name[:40]} of <{tag}>"]
    if "{" in value:
        return []  # it is known once it is filled in
    if name == "style":
        return [f"style {declaration[:60]}" for declaration in shown(value)[1]]
    if name in ("src", "href"):
        scheme = _scheme(value)
        known = scheme in ("", "https") if name == "src" else scheme in _LINKS
        return [] if known else [f"{name} {value[:60]}"]
    return []


def _scheme(url: str) -> str:
    return (_SCHEME.match(url) or ("", ""))[1].lower()
