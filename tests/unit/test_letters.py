"""Letters: templates that can do no harm, and messages that nothing in them can add to."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcrm.builtin import variables
from mailcrm.core.compose import Envelope, ListUnsubscribe, compose, date_of, redated
from mailcrm.core.letter_ids import letter_id, run_of
from mailcrm.core.letters import (
    BadTemplate,
    Image,
    Letter,
    MissingVariable,
    first_name,
    render,
    reply_to,
    variables_of,
)
from mailcrm.errors import Refused

EWA = {
    "person": {"name": "Ewa Zielińska", "first_name": "Ewa", "tags": ["vip", "łódź"], "fields": {"region": "north"}},
    "deal": {"title": "Pompy", "value": "1200"},
}
ENVELOPE = Envelope(
    sender="anna@firma.example",
    sender_name="Anna Nowak",
    recipient="ewa@klient.example",
    recipient_name="Ewa Zielińska",
    message_id="s.1.1.0.abc@firma.example",
    date=datetime(2026, 11, 22, 9, 0, tzinfo=UTC),
)


def test_a_template_is_filled_in_and_signed() -> None:
    # SEQ-13, SEQ-15
    body = "Dzień dobry {{ person.first_name }},\r\n{% for tag in person.tags %}{{ tag }} {% endfor %}"
    letter = render("  Oferta\n{{ deal.title }} ", body, EWA, "Anna\r\nFirma")
    assert letter == Letter("Oferta Pompy", "Dzień dobry Ewa,\nvip łódź\n\n-- \nAnna\nFirma\n")


def test_html_stands_beside_the_text_and_both_are_signed() -> None:
    # SEQ-13, SEQ-15
    letter = render("x", "Dzień dobry {{ person.first_name }}", EWA, "Anna <N>\nFirma", "<p>{{ deal.title }}</p>")
    assert letter.text == "Dzień dobry Ewa\n\n-- \nAnna <N>\nFirma\n"
    assert letter.html == "<p>Pompy</p>\n<p>-- <br>\nAnna &lt;N&gt;<br>\nFirma</p>\n"
    again = render("x", "", EWA, "Anna\nFirma", "<p>{{ deal.title }}</p><p>Anna <br>Firma</p>")
    assert again.html == "<p>Pompy</p><p>Anna <br>Firma</p>\n"
    assert again.text == "Pompy\n\nAnna\nFirma\n"


def test_only_pictures_that_are_shown_go_along() -> None:
    images = [Image("a@picture", "a.png", "image/png", b"a"), Image("b@picture", "b.png", "image/png", b"b")]
    html = "{% if deal.value == '1200' %}<img src='b.png'>{% else %}<img src='a.png'>{% endif %}"
    assert render("x", "y", EWA, "", html, images).images == (images[1],)


def test_a_signature_is_not_put_twice() -> None:
    values = {**EWA, "rep": {"signature": "Anna\nFirma"}}
    assert render("x", "Witam\n{{ rep.signature }}", values, "Anna\nFirma").text == "Witam\nAnna\nFirma\n"


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{{ person.last_name }}", "person.last_name"),
        ("{{ person.fields.city | upcase }}", "person.fields.city"),
        ("{{ organization.name }}", "organization"),
        ("{% assign x = lead.title %}{{ x }}", "lead"),
        ("{{ person.__class__ }}", "person.__class__"),
        ("{{ person.name.upper }}", "person.name.upper"),
    ],
)
def test_what_has_no_value_is_named_and_nothing_is_written(template: str, name: str) -> None:
    for subject, body, html in ((template, "x", None), ("x", template, None), ("x", "y", f"<b>{template}</b>")):
        with pytest.raises(MissingVariable) as raised:
            render(subject, body, EWA, html=html)
        assert raised.value.name == name
        assert f"{{{{ {name} }}}} has no value" in str(raised.value)


def test_what_may_be_missing_can_be_asked_for() -> None:
    body = "{{ person.last_name | default: 'Państwo' }}{% if person.phone %}a{% else %}b{% endif %}"
    assert render("x", body, EWA).text == "Państwob\n"


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{{ person.name ", "no template in line 1: expected"),
        ("a\n{% if %}x{% endif %}", "in line 2"),
        ("{% include 'x' %}", "unexpected tag 'include'"),
        ("{% render 'x' %}", "unexpected tag 'render'"),
        ("{% capture a %}x{% endcapture %}", "unexpected tag 'capture'"),
        ("{{ person.name | replace: 'a', 'b' }}", "unknown filter 'replace'; known are append"),
        ("{% for i in (1..9999999999) reversed %}x{% endfor %}", "has a range"),
        ("{% if person.name == (1..9999999999) %}x{% endif %}", "has a range"),
        ("{% for a in person.tags %}" * 12 + "x" + "{% endfor %}" * 12, "goes round too often"),
        ("{% assign a = 'aaaaaaaa' %}" + "{% assign a = a | append: a %}" * 40 + "{{ a }}", "too long"),
        ("{% assign a = 99999999999 %}" + "{% assign a = a | times: a %}" * 40 + "{{ a }}", "."),
        ("{% if a %}" * 5000, "."),
        ("{% if " + "a and " * 5000 + "a %}x{% endif %}", "."),
        ("x" * 100_001, "longer than"),
        ("{{ 1 | divided_by: 0 }}", "divide"),
        ("{% for a in person.tags %}{% endfor %}" * 21 + "x", "more than 20 loops"),
        ("{% assign a = '" + "a" * 40_000 + "' %}{{ a" + " | append: a" * 4_000 + " | size }}", "too long"),
        (" {{ person.none }} {% if person.name == 'x' %}x{% endif %}".replace("{{ person.none }}", ""), "is empty"),
    ],
)
def test_what_is_no_template_or_would_never_end_is_refused(template: str, problem: str) -> None:
    with pytest.raises(BadTemplate, match=problem):
        render("x", template, EWA)
    with pytest.raises(BadTemplate, match=problem):
        render("x", "", EWA, html=template)


def test_it_is_told_what_a_template_names() -> None:
    body = "{{ person.fields['postal code'] }}{% if deal.value %}{% assign x = rep.name %}{{ x }}{% endif %}"
    assert variables_of(body) == {("person", "fields", "postal code"), ("deal", "value"), ("rep", "name")}


@pytest.mark.parametrize(
    ("template", "item", "problem"),
    [
        ("{{ persn.name }}", "deal", "write person"),
        ("{{ deal.titel }}", "deal", "write title"),
        ("{{ deal.title }}", "lead", "not known"),
        ("{{ lead.title }}", "person", "not known"),
        ("{{ person }}", "person", "several things"),
    ],
)
def test_what_no_letter_can_know_is_refused_beforehand(template: str, item: str, problem: str) -> None:
    with pytest.raises(BadTemplate, match=problem):
        variables.check(template, item)


def test_what_a_letter_can_know_is_accepted() -> None:
    assert {"person", "deal", "lead"} <= variables.KNOWN.keys()
    for root, names in variables.KNOWN.items():
        item = root if root in ("deal", "lead") else "person"
        for name in names:
            variables.check(f"{{{{ {root}.{name} }}}}", item)
    variables.check("{{ person.fields.anything }}", "deal")


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("Ewa Zielińska", "Ewa"),
        ("Zielińska, Ewa Maria", "Ewa"),
        ("Ewa", "Ewa"),
        ("ewa@klient.example", None),
        ("Ewa (ewa@klient.example)", "Ewa"),
        ("", None),
    ],
)
def test_first_names(name: str, first: str | None) -> None:
    assert first_name(name) == first


def test_a_reply_names_what_it_replies_to() -> None:
    content = compose(Letter("Re: x", "y\n"), replace(ENVELOPE, references=("a@x", "b@x")))
    read = message_from_bytes(content, policy=policy.default)
    assert (read["In-Reply-To"], read["References"]) == ("<b@x>", "<a@x> <b@x>")
    many = tuple(f"{number}@x" for number in range(50))
    read = message_from_bytes(compose(Letter("x", "y\n"), replace(ENVELOPE, references=many)), policy=policy.default)
    assert read["References"].split() == ["<0@x>", *(f"<{number}@x>" for number in range(31, 50))]


def test_its_id_is_the_same_at_every_try_and_known_as_ours() -> None:
    made = letter_id(b"secret", "12.3.0", "anna@firma.example")
    assert made == letter_id(b"secret", "12.3.0", "anna@firma.example")
    assert made.endswith("@firma.example")
    assert (
        len({made, letter_id(b"secret", "12.3.1", "a@firma.example"), letter_id(b"x", "12.3.0", "a@firma.example")})
        == 3
    )
    assert run_of(b"secret", made) == 12
    for forged in (made.replace("12.3.0", "12.3.1"), made.replace("s.", "q."), "zażółć", "s.1@x", ""):
        assert run_of(b"secret", forged) is None
    assert run_of(b"other", made) is None


BITS = ["\r", "\n", "\u2028", ":", "=?", "?=", "Bcc: x@y.example", " ", '"', "<", ">", ",", "\t"]
WORDS = ["\r\nBcc: x@y.example", "=?utf-8?q?a=0D=0ABcc:_x@y.example?=", "=?utf-8?b?DQpCY2M6IHhAeQ==?=", "\n\n.\n"]
HOSTILE = st.one_of(
    st.text(max_size=120), st.sampled_from(WORDS), st.builds("".join, st.lists(st.sampled_from(BITS), max_size=30))
)


WHOLE = ["date", "from", "message-id", "mime-version", "subject", "to", "content-type"]
PART = ["content-transfer-encoding", "content-type"]
PICTURE = Image("a@picture", "img/ł\r\nBcc: x.png", "image/png", bytes(range(256)))


def names(part: Any) -> list[str]:
    return sorted(map(str.casefold, part.keys()))


@given(
    HOSTILE,
    HOSTILE,
    HOSTILE,
    st.sampled_from([(None, ()), ("<b>{{ person.name }}</b> ", ()), ("<img src=p>", (PICTURE,))]),
)
def test_nothing_becomes_a_header_or_another_recipient(
    title: str, name: str, text: str, rich: tuple[str | None, tuple[Image, ...]]
) -> None:
    values = {"person": {"name": name}, "deal": {"title": title}}
    html, images = rich
    own = text.replace("{", "")
    images = tuple(replace(image, name="p") for image in images)
    letter = render(
        "Oferta {{ deal.title | default: 1 }}",
        f"A {{{{ person.name }}}} B {own}",
        values,
        own,
        html and html + own,
        images,
    )
    letter = replace(letter, images=tuple(replace(image, name=PICTURE.name) for image in letter.images))
    content = compose(letter, replace(ENVELOPE, sender_name=name, recipient_name=title))
    assert content.isascii()
    assert max(map(len, content.split(b"\r\n"))) < 200
    assert b"\n" not in content.replace(b"\r\n", b"")
    read = message_from_bytes(content, policy=policy.default)
    assert names(read) == sorted([*WHOLE, "content-transfer-encoding"] if html is None else WHOLE)
    assert [each.addr_spec for field in ("From", "To") for each in read[field].addresses] == [
        "anna@firma.example",
        "ewa@klient.example",
    ]
    assert "\n" not in letter.subject
    [plain, *others] = [part for part in read.walk() if not part.is_multipart()]
    assert plain.get_content().replace("\r\n", "\n") == letter.text
    assert all(set(names(part)) <= {*PART, "content-id", "content-disposition"} for part in others)
    assert [part.get_content_type() for part in others] == (["text/html"] if html else []) + ["image/png"] * len(
        letter.images
    )


def test_text_and_html_are_alternatives_and_pictures_are_related_to_the_html() -> None:
    # RFC 2046, 5.1.4; RFC 2387
    letter = Letter("x", "tekst ż\n", '<p>html ż <img src="cid:a@picture"></p>\n', (PICTURE,))
    content = compose(letter, ENVELOPE)
    assert content == compose(letter, ENVELOPE)  # the same at every try
    whole = message_from_bytes(content, policy=policy.default)
    assert whole.get_content_type() == "multipart/alternative"
    plain, page = whole.iter_parts()
    assert (plain.get_content_type(), page.get_content_type()) == ("text/plain", "multipart/related")
    assert page.get_param("type") == "text/html"
    html, picture = page.iter_parts()
    assert '<p>html ż <img src="cid:a@picture"></p>' in html.get_content()
    assert (picture["Content-ID"], picture.get_content()) == ("<a@picture>", PICTURE.content)
    assert picture.get_content_disposition() == "inline"
    assert [part["MIME-Version"] for part in whole.walk()] == ["1.0", None, None, None, None]
    without = message_from_bytes(compose(replace(letter, images=()), ENVELOPE), policy=policy.default)
    assert [part.get_content_type() for part in without.walk()] == ["multipart/alternative", "text/plain", "text/html"]


def test_a_boundary_in_the_text_ends_no_part() -> None:
    first = compose(Letter("x", "y\n", "<p>z</p>\n"), ENVELOPE)
    boundary = message_from_bytes(first).get_boundary()
    letter = Letter("x", f"--{boundary}\nContent-Type: text/html\n\nforged\n--{boundary}--\n", "<p>z</p>\n")
    read = message_from_bytes(compose(letter, ENVELOPE), policy=policy.default)
    assert [part.get_content_type() for part in read.walk()] == ["multipart/alternative", "text/plain", "text/html"]


def test_ids_that_are_none_are_not_referred_to() -> None:
    bad = ("a@x\r\nBcc: y@x.example", "a b@x", "ż@x", "x" * 999, "<a@x>", "")
    read = message_from_bytes(compose(Letter("x", "y\n"), replace(ENVELOPE, references=(*bad, "b@x", *bad))))
    assert (read["In-Reply-To"], read["References"], read["Bcc"]) == ("<b@x>", "<b@x>", None)


def test_mail_to_one_person_says_nothing_of_lists() -> None:
    # Pigeonhole's vacation and others answer no mail with such a header
    for letter in (Letter("x", "y\n"), Letter("x", "y\n", "<p>z</p>\n")):
        read = message_from_bytes(compose(letter, ENVELOPE))
        assert not [name for name in read if name.casefold().startswith(("list-", "auto-", "precedence"))]


def test_campaign_mail_says_how_to_get_no_more() -> None:
    # RFC 8058, 3.1
    ways = ListUnsubscribe("https://crm.firma.example/u/abc", "unsubscribe+abc@firma.example")
    read = message_from_bytes(
        compose(Letter("x", "y\n"), replace(ENVELOPE, list_unsubscribe=ways)), policy=policy.default
    )
    assert read["List-Unsubscribe"] == ("<https://crm.firma.example/u/abc>, <mailto:unsubscribe+abc@firma.example>")
    assert read["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    for url in (
        "https://x.example/\r\nBcc: a@x.example",
        "javascript:alert(1)",
        "https://x.example/a>b",
        "https://ż.example",
    ):
        with pytest.raises(Refused, match="unsubscribe"):
            compose(Letter("x", "y\n"), replace(ENVELOPE, list_unsubscribe=ListUnsubscribe(url)))


def test_what_joins_letters_stays_and_what_turns_the_line_goes() -> None:
    letter = render("{{ person.name }}\u202e", "x", {"person": {"name": "\u0639\u0644\u06cc\u200c\u0631\u0636\u0627"}})
    content = compose(letter, replace(ENVELOPE, recipient_name=f"{letter.subject}\u202e"))
    read = message_from_bytes(content, policy=policy.default)
    assert read["Subject"] == read["To"].addresses[0].display_name == "\u0639\u0644\u06cc\u200c\u0631\u0636\u0627"


def test_a_subject_without_end_is_refused() -> None:
    with pytest.raises(BadTemplate, match="more than 1000"):
        render("{{ person.name }}", "x", {"person": {"name": "x" * 1001}})
    assert len(reply_to("x" * 5000)) == 1000


def test_a_mail_that_waited_is_dated_anew_and_nothing_else_is_changed() -> None:
    content = compose(Letter("Date: x", "Date: x\n", "<p>Date: x</p>"), ENVELOPE)
    later = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
    assert redated(content, later) == compose(
        Letter("Date: x", "Date: x\n", "<p>Date: x</p>"), replace(ENVELOPE, date=later)
    )
    assert date_of(content) == ENVELOPE.date
    for odd in (b"Subject: x\r\n\r\nDate: x\r\n", b"", b"Subject: x\r\nDate: never\r\n\r\n"):
        assert date_of(odd) is None
        assert redated(odd, later) in (odd, odd.replace(b"never", b"Wed, 25 Nov 2026 09:00:00 +0000"))


@pytest.mark.parametrize("subject", ["a\r\nBcc: x@y.example", "a\nb", "\0"])
def test_a_subject_that_is_no_line_is_not_written(subject: str) -> None:
    """``render`` makes none such; whoever makes one otherwise is refused."""
    with pytest.raises(Refused, match="written safely"):
        compose(Letter(subject, "x\n"), ENVELOPE)
