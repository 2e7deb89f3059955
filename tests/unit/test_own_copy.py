"""What a sender keeps of a tracked mail tells nothing of his own looking into it."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes, policy
from itertools import count

from mailcrm.core.compose import Envelope, compose
from mailcrm.core.letters import Letter
from mailcrm.core.own_copy import own_copy
from mailcrm.core.tracked import tracked

BASE = "https://crm.firma.example/x"
HTML = '<p>Dzień dobry, <a href="https://firma.example/?a=1&amp;b=2">oferta</a> ' + "słowo " * 40 + "</p>"
ENVELOPE = Envelope(
    "anna@firma.example", "Anna Żak", "jan@klient.example", "Jan", "s.1.2.3@firma.example",
    datetime(2026, 11, 22, 10, 0, tzinfo=UTC),
)  # fmt: skip


def page(content: bytes) -> str:
    found = message_from_bytes(content, policy=policy.default).get_body(("html",))
    assert found is not None
    return str(found.get_content())


def test_the_copy_is_the_letter_as_it_was_written() -> None:
    tokens = (f"{number:032d}" for number in count(1))
    done = tracked(HTML, BASE, tokens)
    plain = compose(Letter("Oferta ż", "Dzień dobry", HTML), ENVELOPE)
    left = compose(Letter("Oferta ż", "Dzień dobry", done.html), ENVELOPE)
    links = {each.token: each.url for each in done.tracks if each.kind == "click" and each.url}
    kept = own_copy(left, BASE, links)
    assert len([each for each in done.tracks if f"/{each.token}" in page(left)]) == 3
    assert not [each for each in done.tracks if each.token in page(kept)]
    assert page(kept) == page(plain)
    ours, theirs = (message_from_bytes(each, policy=policy.default) for each in (kept, left))
    assert ours.items() == theirs.items()
    assert [part.get_content_type() for part in ours.walk()] == [part.get_content_type() for part in theirs.walk()]
    assert b"\n" not in kept.replace(b"\r\n", b"")


def test_what_is_not_tracked_stays_byte_for_byte() -> None:
    for content in (
        compose(Letter("Oferta", "Dzień dobry", HTML), ENVELOPE),
        compose(Letter("Oferta", "Dzień dobry"), ENVELOPE),
        b"",
        b'Content-Type: text/html; charset=nonsense\r\n\r\n<img src="https://crm.firma.example/x/o/a.gif">\xff',
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n",
    ):
        assert own_copy(content, BASE, {}) == content


def test_a_link_that_nobody_knows_any_more_stays() -> None:
    done = tracked(HTML, BASE, (f"{number:032d}" for number in count(1)))
    left = compose(Letter("Oferta", "Dzień dobry", done.html), ENVELOPE)
    assert "/c/" in page(own_copy(left, BASE, {}))
    assert "/o/" not in page(own_copy(left, BASE, {}))
