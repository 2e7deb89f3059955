"""What a tracked mail has in it: an image that tells of an opening, links that tell of a click, a way to unsubscribe.

Only the HTML part is rewritten, and of it only the targets of links; every other character stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape, unescape
from typing import Literal
from urllib.parse import urlsplit

import idna

TrackKind = Literal["open", "click", "unsubscribe"]

MAX_LINKS = 200
"""Links of one mail that are tracked; further ones stay as they are."""

LONGEST_URL = 4000

_MARKUP = re.compile(r"<(?:!--|([!?])|(/?)([a-zA-Z][^ \t\n\r\f/>]*))")
_NAME = re.compile(r"=?[^ \t\n\r\f/>=]*")
_EQUALS = re.compile(r"[ \t\n\r\f]*=[ \t\n\r\f]*")
_UNQUOTED = re.compile(r"[^ \t\n\r\f>]*")
_BETWEEN = re.compile(r"[ \t\n\r\f/]*")
_TEXT_ONLY = frozenset({"script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes"})
_LINKS = frozenset({"a", "area"})
_BLANK = "".join(map(chr, range(33)))
_PASSED_OVER = {ord(each): None for each in "\t\n\r"}  # browsers do so, wherever they stand in a URL
_NOT_IN_URLS = re.compile(r"[^!-~]|[\"<>^`{|}]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\\\\]")
_OURS = ("/o/", "/c/", "/u/", "/q/")


@dataclass(frozen=True, slots=True)
class Track:
    """A token of one mail.

    Args:
        url: where a click leads; None for what is no click.
        position: of the link in the mail, from 0; 0 for what is no link.
        hidden: nobody sees this link, so that only a machine follows it.
    """

    token: str
    kind: TrackKind
    url: str | None = None
    position: int = 0
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Tracked:
    """A mail's HTML with its tokens in it, and what they stand for.

    Args:
        unsubscribe: the address of the unsubscribe page, for the header List-Unsubscribe; None if none was asked for.
    """

    html: str
    tracks: tuple[Track, ...]
    unsubscribe: str | None = None


def tracked(
    html: str, base_url: str, tokens: Iterator[str], unsubscribe: bool = False, *, hidden: bool = True
) -> Tracked:
    """Put a mail's tokens into its HTML part.

    Links to web pages (http, https) lead over us. Left alone are ``mailto:`` and ``tel:``, places in the mail itself,
    our own pages (unsubscribing, answering), and whatever is no proper URL.

    Args:
        html: the part, cleaned.
        base_url: ``web.base_url``.
        tokens: endless, each unguessable; see ``store.tracks.tokens``.
        unsubscribe: whether a token for the unsubscribe page is made too. The HTML does not show it: that is for who
            writes the letter, since mail without tracking needs it as well (``unsubscribing``).
        hidden: whether a link goes in that no human sees, to tell machines by, if there are links at all.
    """
    base = base_url.rstrip("/")
    pieces: list[str] = []
    tracks: list[Track] = []
    done = 0
    ours = tuple(base + place for place in _OURS)
    end = None
    for tag in _tags(html):
        if tag.closing and tag.name in ("body", "html") and (tag.name == "body" or end is None):
            end = tag.start
        url = destination(tag.href) if tag.name in _LINKS and not tag.closing and tag.href else None
        if url is None or url.startswith(ours) or len(tracks) >= MAX_LINKS:
            continue
        track = Track(next(tokens), "click", url, len(tracks))
        tracks.append(track)
        pieces += [html[done : tag.value[0]], f'"{escape(base)}/c/{track.token}"']
        done = tag.value[1]
    at = len(html) if end is None or end < done else end
    pieces.append(html[done:at])
    if hidden and tracks:
        track = Track(next(tokens), "click", tracks[0].url, len(tracks), hidden=True)
        tracks.append(track)
        pieces.append(f'<a href="{escape(base)}/c/{track.token}" aria-hidden="true" tabindex="-1"></a>')
    track = Track(next(tokens), "open")
    tracks.append(track)
    pieces += [f'<img src="{escape(base)}/o/{track.token}.gif" width="1" height="1" alt="">', html[at:]]
    address = None
    if unsubscribe:
        address, track = unsubscribing(base, next(tokens))
        tracks.append(track)
    return Tracked("".join(pieces), tuple(tracks), address)


def unsubscribing(base_url: str, token: str) -> tuple[str, Track]:
    """The address of the page on which the recipient of a mail unsubscribes, and its track, to be stored with it."""
    return f"{base_url.rstrip('/')}/u/{token}", Track(token, "unsubscribe")


def destination(href: str) -> str | None:
    """Where a link leads, as a header may say it: ASCII without blanks and controls. None: it is not to be tracked.

    What browsers and we might read differently is no destination: control characters, backslashes, a user name
    before the host. It is stable: a destination's destination is itself.
    """
    text = href.strip(_BLANK).translate(_PASSED_OVER)
    if len(text) > LONGEST_URL or _CONTROL.search(text):
        return None
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
        if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc:
            return None
        if not host.isascii():
            host = idna.encode(host, uts46=True).decode()
    except ValueError:  # idna.IDNAError is one
        return None
    if _NOT_IN_URLS.search(host):
        return None
    place = f"[{host}]" if ":" in host else host
    rest = text.partition("://")[2][len(parts.netloc) :]
    found = f"{parts.scheme}://{place}{'' if port is None else f':{port}'}{_NOT_IN_URLS.sub(_quoted, rest)}"
    return found if len(found) <= LONGEST_URL else None


def _quoted(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "replace"))


@dataclass(frozen=True, slots=True)
class _Tag:
    """A tag; ``value`` is from where to where the text of its ``href`` stands, quotes included."""

    name: str
    closing: bool
    start: int
    href: str | None
    value: tuple[int, int]


def _tags(html: str) -> Iterator[_Tag]:
    """The tags, as a browser finds them, in one pass. A tag that does not end ends the search."""
    position = 0
    while match := _MARKUP.search(html, position):
        name = (match[3] or "").lower()
        if not name:
            end = html.find(">" if match[1] else "-->", match.start() + 2)
            if end < 0:
                return
            position = end + 1
            continue
        href, value = None, (0, 0)
        while (position := _end_of(_BETWEEN, html, position)) < len(html) and html[position] != ">":
            attribute = html[position : (position := _end_of(_NAME, html, position))].lower()
            if (equals := _EQUALS.match(html, position)) is None:
                continue
            start = equals.end()
            quote = html[start : start + 1]
            if quote in ('"', "'"):
                end = html.find(quote, start + 1) + 1
                if end == 0:
                    return
                text = html[start + 1 : end - 1]
            else:
                end = _end_of(_UNQUOTED, html, start)
                text = html[start:end]
            if attribute == "href" and href is None:
                href, value = unescape(text), (start, end)
            position = end
        if position >= len(html):
            return
        yield _Tag(name, bool(match[2]), match.start(), href, value)
        position += 1
        if name in _TEXT_ONLY and not match[2]:
            found = re.compile(f"</{name}", re.IGNORECASE).search(html, position)
            if found is None:
                return
            position = found.start()


def _end_of(pattern: re.Pattern[str], text: str, position: int) -> int:
    match = pattern.match(text, position)
    return match.end() if match else position
