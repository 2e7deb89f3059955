"""Who opened, who clicked: graded by tables of evidence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcrm.core import hits
from mailcrm.core.hits import SPEAKS_FOR, Hit, judge, signs

SENT = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
OUTLOOK = "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 10.0; WOW64; Trident/7.0; Microsoft Outlook 16.0.5)"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{} Safari/537.36"
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        (FIREFOX, hits.PERSON),
        (CHROME.format("141.0.0.0"), hits.PERSON),
        (OUTLOOK, hits.PERSON),
        (IPHONE, hits.PERSON),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Thunderbird/140.0", hits.PERSON),
        ("", hits.SILENT),
        ("  ", hits.SILENT),
        ("Mozilla/5.0", hits.APPLE),
        (GMAIL, hits.GMAIL),
        ("YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html", hits.YAHOO),
        (CHROME.format("42.0.2311.135") + " Edge/12.246 Mozilla/5.0", hits.GMAIL_EARLY),
        (CHROME.format("41.0.2272.118"), hits.OLD),
        ("curl/8.5.0", hits.PROGRAM),
        ("python-requests/2.32", hits.PROGRAM),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", hits.PROGRAM),
        ("Mozilla/5.0 (X11; Linux) AppleWebKit/537.36 HeadlessChrome/140.0.0.0 Safari/537.36", hits.PROGRAM),
        ("BarracudaSentinel (EE)", hits.PROGRAM),
        ("Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", hits.PROGRAM),
        ("Own/1.0", hits.STRANGE),
    ],
)
def test_what_an_agent_tells(agent: str, expected: str) -> None:
    assert hits.asker(agent) == expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("203.0.113.7", ()),
        ("2001:db8::7", ()),
        ("17.58.101.9", (hits.APPLE,)),
        ("40.94.20.3", ()),
        ("40.107.20.3", (hits.SCANNER,)),
        ("::ffff:40.107.20.3", (hits.SCANNER,)),
        ("2a01:111:f403:c900::1", (hits.SCANNER,)),
        ("64.235.150.9", (hits.SCANNER,)),
        ("198.51.100.9", (hits.SCANNER,)),
        ("not an address", ()),
        ("", ()),
    ],
)
def test_what_an_address_tells(address: str, expected: tuple[str, ...]) -> None:
    assert signs(address, [ip_network("198.51.100.0/24")]) == expected


def made(number: int, seconds: float, position: int = 0, *, kind: str = "click", hidden: bool = False) -> Hit:
    return Hit(number, kind, position, hidden, SENT + timedelta(seconds=seconds), FIREFOX)  # type: ignore[arg-type]


OPENED = made(1, 60, kind="open")
TABLE: dict[str, tuple[Hit, list[Hit], int, str, str]] = {
    "somebody reads": (OPENED, [], 3, "human", hits.PERSON),
    "somebody clicks": (made(1, 60), [], 3, "human", hits.PERSON),
    "the only link": (made(1, 60), [], 1, "human", hits.PERSON),
    "as soon as it arrived": (made(1, 1.9, kind="open"), [], 3, "machine", hits.AT_ONCE),
    "before it arrived": (made(1, -5, kind="open"), [], 3, "machine", hits.AT_ONCE),
    "after two seconds": (made(1, 2), [], 3, "human", hits.PERSON),
    "all links at once": (made(1, 60), [made(2, 61, 1), made(3, 69, 2)], 3, "machine", hits.ALL_LINKS),
    "all links at once, the last": (made(3, 70, 2), [made(1, 60), made(2, 61, 1)], 3, "machine", hits.ALL_LINKS),
    "all links at leisure": (made(1, 60), [made(2, 65, 1), made(3, 71, 2)], 3, "human", hits.PERSON),
    "most links": (made(1, 60), [made(2, 61, 1), made(3, 62, 1)], 3, "human", hits.PERSON),
    "one link again and again": (made(1, 60), [made(2, 61), made(3, 62)], 2, "human", hits.PERSON),
    "opened while all links are followed": (OPENED, [made(2, 61), made(3, 62, 1)], 2, "machine", hits.ALL_LINKS),
    "opened after a scanner": (made(1, 90, kind="open"), [made(2, 61), made(3, 62, 1)], 2, "human", hits.PERSON),
    "hidden": (made(1, 60, 3, hidden=True), [], 3, "machine", hits.HIDDEN),
    "near a hidden one": (made(1, 60), [made(2, 64, 3, hidden=True)], 3, "machine", hits.HIDDEN),
    "opened near a hidden one": (OPENED, [made(2, 64, 3, hidden=True)], 3, "machine", hits.HIDDEN),
    "long after a hidden one": (made(1, 120), [made(2, 64, 3, hidden=True)], 3, "human", hits.PERSON),
    "a hidden one is no link": (made(1, 60), [made(2, 90, 1, hidden=True)], 2, "human", hits.PERSON),
}


@pytest.mark.parametrize("case", TABLE)
def test_what_happened_to_the_mail(case: str) -> None:
    hit, others, links, grade, reason = TABLE[case]
    verdict = judge(hit, others, links, SENT)
    assert verdict.grade == grade
    assert reason in verdict.reasons


def test_nobody_reads_what_is_not_known_to_be_sent() -> None:
    assert judge(OPENED, [], 1, None) == hits.Verdict("unknown", (hits.UNSENT,))


ANY_HIT = st.builds(
    Hit,
    st.integers(1, 9),
    st.sampled_from(["open", "click"]),
    st.integers(0, 3),
    st.booleans(),
    st.floats(-20, 60).map(lambda seconds: SENT + timedelta(seconds=seconds)),
    st.sampled_from([FIREFOX, GMAIL, "curl/8.5.0", "", "Own/1.0"]) | st.text(max_size=9),
    st.lists(st.sampled_from(list(SPEAKS_FOR)) | st.text(max_size=5), max_size=3).map(tuple),
)


@given(ANY_HIT, st.lists(ANY_HIT, max_size=6), st.integers(0, 4), st.none() | st.just(SENT))
def test_a_human_has_nothing_against_him(hit: Hit, others: list[Hit], links: int, sent: datetime | None) -> None:
    verdict = judge(hit, others, links, sent)
    known = {SPEAKS_FOR[each] for each in (hits.asker(hit.agent), *hit.signs) if each in SPEAKS_FOR}
    if "machine" in known:
        assert verdict.grade == "machine"
    if verdict.grade == "human":
        assert known == {"human"}
        assert sent is not None
        assert hit.at >= sent + hits.DELIVERY
    assert {SPEAKS_FOR.get(each, verdict.grade) for each in verdict.reasons} <= {verdict.grade}
    assert judge(hit, [*others, hit], links, sent) == verdict


@given(st.text(), st.text())
def test_no_agent_and_no_address_raises(agent: str, address: str) -> None:
    assert all(each in SPEAKS_FOR for each in (*signs(address), hits.asker(agent)))
