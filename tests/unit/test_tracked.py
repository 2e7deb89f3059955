"""A tracked mail: links over us, an image, nothing else changed."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from html.parser import HTMLParser
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcrm.core.tracked import MAX_LINKS, Track, destination, tracked, unsubscribing

BASE = "https://crm.firma.example"


def tokens() -> Iterator[str]:
    return (f"t{number}" for number in count())


def test_links_lead_over_us_and_an_image_tells_of_the_opening() -> None:
    html = '<p>Hi <a class="x" href="https://firma.example/a?b=1&amp;c=2#d" rel="nofollow">offer</a></p>'
    found = tracked(html, BASE + "/", tokens())
    assert found.html == (
        '<p>Hi <a class="x" href="https://crm.firma.example/c/t0" rel="nofollow">offer</a></p>'
        '<a href="https://crm.firma.example/c/t1" aria-hidden="true" tabindex="-1"></a>'
        '<img src="https://crm.firma.example/o/t2.gif" width="1" height="1" alt="">'
    )
    target = "https://firma.example/a?b=1&c=2#d"
    assert found.tracks == (
        Track("t0", "click", target, 0),
        Track("t1", "click", target, 1, hidden=True),
        Track("t2", "open"),
    )
    assert found.unsubscribe is None


def test_an_unsubscribe_token_is_made_where_it_is_asked_for() -> None:
    found = tracked("<p>Hi</p>", BASE, tokens(), unsubscribe=True)
    assert [track.kind for track in found.tracks] == ["open", "unsubscribe"]
    assert found.unsubscribe == f"{BASE}/u/t1"
    assert f"{BASE}/u/" not in found.html
    assert unsubscribing(BASE + "/", "x") == (f"{BASE}/u/x", Track("x", "unsubscribe"))


@pytest.mark.parametrize(
    "href",
    [
        "mailto:anna@firma.example",
        "tel:+48221234567",
        "#top",
        "",
        "/offer",
        "offer.html",
        "//firma.example/a",
        "https:firma.example",
        "https://",
        "javascript:alert(1)",
        "data:text/html,x",
        "ftp://firma.example/a",
        "https://user:pw@firma.example/",
        "https://firma.example\\@evil.example/",
        "https://firma.example/\x00x",
        "https://firma.example:99999/",
        "https://[::1",
        f"{BASE}/u/abc",
        f"{BASE}/q/abc",
        f"{BASE}/c/abc",
        "https://firma.example/" + "a" * 4000,
    ],
)
def test_what_is_no_link_to_a_page_is_left_alone(href: str) -> None:
    html = f'<a href="{escape(href)}">x</a>'
    found = tracked(html, BASE, tokens())
    assert found.html.startswith(html)
    assert [track.kind for track in found.tracks] == ["open"]


@pytest.mark.parametrize(
    ("html", "places"),
    [
        ("<A HREF='https://a.example/'>x</A>", 1),
        ("<a href=https://a.example/>x</a>", 1),
        ("<a\n title='>' href = \"https://a.example/\" >x</a>", 1),
        ('<map><area href="https://a.example/"></map>', 1),
        ('<a href="https://a.example/" href="https://b.example/">x</a>', 1),
        ('<a href="https://a.example/"><a href="https://b.example/">', 2),
        ('<!-- <a href="https://a.example/"> -->', 0),
        ('<!--[if mso]><a href="https://a.example/">x</a><![endif]-->', 0),
        ('<style>a{} <a href="https://a.example/"></style>', 0),
        ('<style>x</style><a href="https://a.example/">x</a>', 1),
        ("<img alt='<a href=\"https://a.example/\">'>", 0),
        ('<abbr href="https://a.example/">', 0),
        ('<a data-href="https://a.example/">', 0),
        ('<a href="https://a.example/', 0),
        ('<a href="https://a.example/"', 0),
        ("<a href=>x</a>", 0),
        ('<!><a href="https://a.example/">', 1),
        ('<!--><a href="https://a.example/">', 1),
        ('< a href="https://a.example/">', 0),
        ("a < b & c > d", 0),
    ],
)
def test_links_are_found_as_browsers_find_them(html: str, places: int) -> None:
    found = tracked(html, BASE, tokens(), hidden=False)
    assert len(found.tracks) == places + 1
    assert found.html.count(f"{BASE}/c/") == places


@pytest.mark.parametrize(
    ("html", "before"),
    [
        ("<html><body><p>x</p></body></html>", "</body></html>"),
        ("<p>x</p></html>", "</html>"),
        ("<p>x</p>", ""),
        ("<body>x</BODY >\n", "</BODY >\n"),
        ('<body>x</body><a href="https://a.example/">y</a>', ""),
        ("<!-- </body> --><p>x", ""),
    ],
)
def test_the_image_stands_at_the_end_of_the_body(html: str, before: str) -> None:
    found = tracked(html, BASE, tokens())
    assert found.html.endswith(f'alt="">{before}')


@pytest.mark.parametrize(
    ("href", "target"),
    [
        (" https://a.example/x ", "https://a.example/x"),
        ("HTTPS://A.example/X", "https://a.example/X"),
        ("https://a.example", "https://a.example"),
        ("https://a.example?x=1", "https://a.example?x=1"),
        ("https://a.example:8443/x", "https://a.example:8443/x"),
        ("http://[2001:db8::1]:80/x", "http://[2001:db8::1]:80/x"),
        ("https://a.example/zażółć?q=ó&r=%20", "https://a.example/za%C5%BC%C3%B3%C5%82%C4%87?q=%C3%B3&r=%20"),
        ("https://żółw.example/", "https://xn--w-uga1v8h.example/"),
        ("https://a.example/a b", "https://a.example/a%20b"),
        ("https://a.exa\nmple/\r\nSet-Cookie: x", "https://a.example/Set-Cookie:%20x"),
        ("https://a.example/%0d%0aX", "https://a.example/%0d%0aX"),
        ("https://a.example/<b>", "https://a.example/%3Cb%3E"),
        ("https://a b.example/", None),
        ("https://a.example\u2028/", None),
        ("https://-/", "https://-/"),
        ("https://a.example\x85/", None),
    ],
)
def test_a_destination_is_what_a_header_may_say(href: str, target: str | None) -> None:
    assert destination(href) == target


@given(st.text(max_size=60) | st.from_regex(r"https?://[^/]{0,9}[/?#].{0,30}", fullmatch=True))
def test_no_href_makes_a_header_of_its_own(href: str) -> None:
    found = destination(href)
    if found is not None:
        assert found.isascii()
        assert found.isprintable()
        assert " " not in found
        assert found.startswith(("http://", "https://"))
        assert destination(found) == found


def test_links_without_end_are_not_all_tracked() -> None:
    found = tracked('<a href="https://a.example/">x</a>' * 300, BASE, tokens(), hidden=False)
    assert len(found.tracks) == MAX_LINKS + 1


class _Seen(HTMLParser):
    """What a parser of its own sees, the targets of links apart."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.seen: list[object] = []
        self.hrefs: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.hrefs += [value or "" for name, value in attrs if name == "href"]
            attrs = [each for each in attrs if each[0] != "href"]
        self.seen.append((tag, attrs))

    def handle_endtag(self, tag: str) -> None:
        self.seen.append(tag)

    def handle_data(self, data: str) -> None:
        if self.seen and isinstance(self.seen[-1], str) and self.seen[-1].startswith("text:"):
            self.seen[-1] += data
        else:
            self.seen.append("text:" + data)


TEXT = st.text(alphabet=st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), max_size=12).map(escape)
VALUE = TEXT | st.sampled_from(["https://a.example/&amp;x", "mailto:a@b.example", "#x", "https://b.example/ż"])
TAG = st.builds(
    lambda name, attribute, value, text: f'<{name} {attribute}="{value}">{text}</{name}>',
    st.sampled_from(["a", "p", "td", "abbr"]),
    st.sampled_from(["href", "title", "alt"]),
    VALUE,
    TEXT,
)


@given(st.lists(TAG | TEXT, max_size=8).map("".join))
def test_nothing_but_targets_changes(html: str) -> None:
    found = tracked(html, BASE, tokens(), hidden=False)
    before, after = _Seen(html), _Seen(found.html)
    assert after.seen[:-1] == before.seen
    clicks = [track for track in found.tracks if track.kind == "click"]
    ours = {f"{BASE}/c/{track.token}": track.url for track in clicks}
    assert [ours.get(href, href) for href in after.hrefs] == [destination(href) or href for href in before.hrefs]
    assert len(ours) == len(clicks)


@given(st.text(alphabet="<>a /='\"!-hrefbody\n", max_size=80))
def test_any_text_ends_and_loses_nothing(html: str) -> None:
    found = tracked(html, BASE, tokens(), hidden=False)
    image = f'<img src="{BASE}/o/{found.tracks[-1].token}.gif" width="1" height="1" alt="">'
    assert found.html.replace(image, "", 1) == html


@pytest.mark.parametrize("piece", ["<a href='", "<a ", "<a b=\"'", "<!--", "<style>", "<", "<a href=x ", "</", "<a/"])
def test_hostile_markup_costs_no_more_than_its_length(piece: str) -> None:
    markup = piece * 60_000
    found = tracked(markup, BASE, tokens())  # the time limit of the suite would end anything quadratic
    image = f'<img src="{BASE}/o/{found.tracks[-1].token}.gif" width="1" height="1" alt="">'
    assert found.html.replace(image, "", 1) == markup
