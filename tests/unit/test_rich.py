"""HTML of letters: what is sent of it, what is not, and the text beside it."""

from __future__ import annotations

from contextlib import suppress
from html.parser import HTMLParser
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcrm.core.letters import BadTemplate, render
from mailcrm.core.rich import cleaned, from_text, left_out, pictures, text_of
from mailcrm.core.styles import shown

CIDS = {"img/logo.png": "abc@picture"}


@pytest.mark.parametrize(
    ("html", "sent"),
    [
        ('<p onclick="x()">a<br>b</p>', "<p>a<br>b</p>"),
        ("<script>alert(1)</script><style>p{display:none}</style>a", "a"),
        ('<form action="https://x.example"><input name="a"><button>Send</button></form>', "Send"),
        ("<p>a<!-- b --><iframe src='https://x.example'></iframe>", "<p>a</p>"),
        ('<a href="javascript:alert(1)">a</a>', "<a>a</a>"),
        ('<a href="JaVa\nscript:alert(1)">a</a>', "<a>a</a>"),
        ('<a href="/oferta">a</a>', "<a>a</a>"),
        ('<a href="https://x.example/?a=1&b=2">a</a>', '<a href="https://x.example/?a=1&amp;b=2">a</a>'),
        ('<a href="mailto:a@x.example">a</a>', '<a href="mailto:a@x.example">a</a>'),
        ('<img src="img/logo.png" alt="Logo">', '<img src="cid:abc@picture" alt="Logo">'),
        ('<img src="https://x.example/a.png">', '<img src="https://x.example/a.png">'),
        ('a<img src="http://x.example/a.png">', "a"),
        ('a<img src="other.png"><img src="cid:other@x"><img src="data:image/png;base64,AA">', "a"),
        ('<b style="position:absolute;color:red">a</b>', '<b style="color:red">a</b>'),
        ('<b style="background-color:red;background:url(//x.example)">a</b>', '<b style="background-color:red">a</b>'),
        ("<svg><script>1</script><a>x</a></svg><math><mi>a</mi></math>b", "b"),
        ('<p title="a>b" class="x" id="y">a</p>', '<p title="a&gt;b">a</p>'),
    ],
)
def test_what_is_harmless_is_sent(html: str, sent: str) -> None:
    assert cleaned(html, CIDS) == sent
    assert cleaned(sent, CIDS | {"cid:abc@picture": "abc@picture"}) == sent  # nothing is left to be taken out


@pytest.mark.parametrize(
    "style",
    [
        "display: none", "visibility: hidden", "opacity: 0", "position: absolute", "text-indent: -999px", "height: 0",
        "font-size: 0", "FONT-SIZE: 1px !important", "font-size: 5%", "line-height: 0", "font-size: .1em",
        "color: transparent", "color: #fff0", "color: #ffffff00", "color: rgba(0,0,0,0)", "color: rgb(0 0 0 / 0)",
        "color: hsl(0 0% 100% / 0)", "margin-left: -9999px", "padding: 1px -9px", "background-color: url(x)",
        "font-family: \\75rl(x)", "width: calc(1px * 0)", "color: var(--x)", "behavior: url(x.htc)", "color",
    ],
)  # fmt: skip
def test_a_style_that_hides_or_loads_is_not_sent(style: str) -> None:
    assert shown(f"font-weight: bold; {style}")[0] == "font-weight: bold"
    assert len(shown(style)[1]) == 1


@pytest.mark.parametrize(
    ("color", "background"), [("white", "#FFF"), ("#fff", "#ffffff"), ("black", "rgb(0, 0, 0)"), ("red", "RED")]
)
def test_text_in_the_colour_of_its_ground_keeps_its_own(color: str, background: str) -> None:
    assert shown(f"color: {color}; background-color: {background}")[0] == f"background-color: {background}"


def test_a_style_that_only_shows_is_sent() -> None:
    style = (
        "color: #fff; background-color: #1a1a1a; padding: 12px 24px; font-family: Arial, 'Open Sans'; font-size: 14px"
    )
    assert shown(style) == (style, [])
    assert shown("color: red !important; line-height: 1.4") == ("color: red; line-height: 1.4", [])


def test_its_author_is_told_what_is_left_out() -> None:
    html = """<html><body><h1 class="x" style="color: {{ deal.fields.colour }}">{{ deal.title }}</h1>
    <script>1</script><p style="display:none">a</p>
    <a href="{{ person.fields.page }}">b</a><a href="ftp://x.example">c</a><img src="a.png"><img src="http://x.example">"""
    assert left_out(html) == [
        "class of <h1>", "<script>", "style display:none", "href ftp://x.example", "src http://x.example",
    ]  # fmt: skip


def test_its_pictures_are_known_by_their_files() -> None:
    html = '<img src="a.png"><IMG SRC=\'img/b c.png\'><img src="https://x.example/c.png">a.png<img src="{{ x }}">'
    assert pictures(html) == ["a.png", "img/b c.png"]


def test_the_text_says_what_the_html_says() -> None:
    html = """<h2>Oferta</h2><p>Dzień&nbsp;dobry <b>Ewo</b>,<br>oto <a href="https://x.example/?a=1&amp;b=2">nasza
    <i>oferta</i></a>.</p><ul><li>a</li><li>b</li></ul><img src="cid:a@b" alt="Logo &amp; co">
    <p><a href="https://x.example">https://x.example</a> <a href="mailto:a@x.example">a@x.example</a> <a>c</a></p>"""
    assert text_of(cleaned(html, {"cid:a@b": "a@b"})) == (
        "Oferta\n\nDzień dobry Ewo,\noto nasza oferta <https://x.example/?a=1&b=2>.\n\n- a\n- b\n\nLogo & co\n\n"
        "https://x.example a@x.example c"
    )


def test_plain_text_becomes_html_line_by_line() -> None:
    assert from_text("Anna <Nowak>\nFirma & co") == "Anna &lt;Nowak&gt;<br>\nFirma &amp; co"
    assert from_text("(https://x.example/?a=1&b='2').") == (
        '(<a href="https://x.example/?a=1&amp;b=&#x27;2">https://x.example/?a=1&amp;b=&#x27;2</a>&#x27;).'
    )
    assert "<a" not in from_text("http:// javascript:alert(1) ftp://x.example")


FILTERS = ("upcase", "downcase", "capitalize", "strip", "append: '!'", "prepend: '-'", "truncate: 60", "newline_to_br",
           "truncatewords: 9", "default: 'x'", "first", "last", "round", "size")  # fmt: skip
HOSTILE = (
    "<script>alert(1)</script>", '"><img src=x onerror=1>', "</p><style>*{display:none}", "{{ deal.title }}",
    "&lt;b&gt;", "' style='color:red", "javascript:alert(1)", "{% for a in b %}", "\n<b>\r\n", "<a href='https://a'>",
)  # fmt: skip
MARKUP = st.one_of(st.text(max_size=60), st.sampled_from(HOSTILE))


class Seen(HTMLParser):
    """The tags of a document with their attributes, but for breaks."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, list[str]]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "br":
            self.tags.append((tag, sorted(name for name, _ in attrs)))


@given(MARKUP, st.sampled_from(FILTERS), st.sampled_from(FILTERS))
def test_a_value_is_never_markup(value: str, one: str, two: str) -> None:
    """Whatever a person is called: his name is text in the HTML, through any filter, in a tag and outside."""
    html = f'<p>a{{{{ person.name | {one} | {two} }}}}b</p><b title="{{{{ person.name }}}}">c</b>'
    letter = render("x", "", {"person": {"name": value or "x"}}, "", html)
    assert letter.html is not None
    assert Seen(letter.html).tags == [("p", []), ("b", ["title"])]


def test_a_value_is_read_once() -> None:
    letter = render(
        "{{ person.name }}", "", {"person": {"name": "{{ deal.title }}<i>"}}, "", "<p>{{ person.name }}</p>"
    )
    assert (letter.subject, letter.text) == ("{{ deal.title }}<i>", "{{ deal.title }}<i>\n")
    assert letter.html == "<p>{{ deal.title }}&lt;i&gt;</p>\n"


def test_more_tags_than_can_be_read_quickly_are_refused() -> None:
    html = "{% for tag in person.tags %}" + "<b>" * 51 + "{% endfor %}"
    with pytest.raises(BadTemplate, match="more than 5000 tags"):
        render("x", "y", {"person": {"tags": ["a"] * 100}}, "", html)


@pytest.mark.parametrize(
    "piece", ["<div>", "<a ", "<!--", "<a href='", "<![CDATA[", "<b><p>", "</", "&", "<p style='a:b;", '<img src="']
)
def test_html_costs_no_time_worth_naming(piece: str) -> None:
    html = piece * (100_000 // len(piece))
    began = perf_counter()
    left_out(html)
    pictures(html)
    with suppress(BadTemplate):
        render("x", "y", {}, "", html)
    assert perf_counter() - began < 2


def test_a_link_that_a_value_names_is_judged_as_any() -> None:
    for value, sent in (
        ("javascript:alert(1)", "<a>a</a>\n"),
        ("https://x.example/", '<a href="https://x.example/">a</a>\n'),
    ):
        letter = render("x", "", {"person": {"page": value}}, "", '<a href="{{ person.page }}">a</a>')
        assert letter.html == sent
