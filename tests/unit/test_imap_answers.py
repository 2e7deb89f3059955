"""Understanding responses: the grammar, its edges, and whatever a hostile server may send."""

from __future__ import annotations

import contextlib
import itertools
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcrm.mail.imap_answers import (
    Unclear,
    answer,
    as_set,
    expand,
    merged,
    moment,
    number,
    pairs,
    ranges,
    tokens,
    words,
)


def test_a_fetch_response_becomes_pairs() -> None:
    one = answer(
        [
            b'* 12 FETCH (UID 45 FLAGS (\\Seen $crm1) INTERNALDATE " 7-May-2025 10:00:00 +0200" '
            b"BODY[HEADER.FIELDS (FROM DATE)] ",
            b"From: x\r\n",
            b' X-GM-THRID 17 NAME "a \\"b\\" \\\\" THREADID NIL)',
        ]
    )
    items = one.items()
    assert (one.tag, one.number, one.word) == (b"*", 12, b"FETCH")
    assert number(items[b"UID"]) == 45
    assert words(items[b"FLAGS"]) == ("\\Seen", "$crm1")
    assert moment(items[b"INTERNALDATE"]) == datetime(2025, 5, 7, 8, tzinfo=UTC)
    assert items[b"BODY[HEADER.FIELDS (FROM DATE)]"] == b"From: x\r\n"
    assert items[b"NAME"] == b'a "b" \\'
    assert items[b"THREADID"] is None


@pytest.mark.parametrize(
    ("line", "tag", "word", "count"),
    [
        (b"* 5 EXISTS", b"*", b"EXISTS", 5),
        (b"* VANISHED (EARLIER) 1:3", b"*", b"VANISHED", 0),
        (b"m3 OK [READ-ONLY] done", b"m3", b"OK", 0),
        (b"+ idling", b"+", b"", 0),
        (b"+", b"+", b"", 0),
        (b"* bye", b"*", b"BYE", 0),
    ],
)
def test_what_sort_of_response(line: bytes, tag: bytes, word: bytes, count: int) -> None:
    one = answer([line])
    assert (one.tag, one.word, one.number) == (tag, word, count)


def test_response_codes() -> None:
    assert answer([b"* OK [UIDVALIDITY 17] ok"]).code() == ("UIDVALIDITY", b"17")
    assert answer([b"m1 NO [throttled] x"]).code() == ("THROTTLED", b"")
    assert answer([b"m1 NO no code"]).code() == ("", b"")


@pytest.mark.parametrize(
    "text", [b"(", b")", b"(UID 5", b'"open', b"(" * 31 + b")" * 31, b"UID 5", b"(UID)", b"x" * 300_000]
)
def test_broken_grammar_is_unclear(text: bytes) -> None:
    with pytest.raises(Unclear):
        answer([b"* 1 FETCH " + text]).items()


@pytest.mark.parametrize("text", [b"", b"1:", b":2", b"a", b"1,,2", b"99999999999", b"1 2"])
def test_broken_sets_are_unclear(text: bytes) -> None:
    with pytest.raises(Unclear):
        ranges(text)


def test_four_billion_uids_stay_a_range() -> None:
    assert ranges(b"1:4294967295,7,9:8") == [(1, 4294967295)]
    assert list(expand([(1, 4294967295)], 3)) == [1, 2, 3]


@given(st.sets(st.integers(1, 500)))
def test_a_set_survives_the_wire(uids: set[int]) -> None:
    if uids:
        assert set(expand(ranges(as_set(uids)), 1000)) == uids
    joined = merged((u, u) for u in uids)
    assert all(a[1] + 1 < b[0] for a, b in itertools.pairwise(joined))


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=5))
def test_whatever_comes_is_a_value_or_unclear(parts: list[bytes]) -> None:
    try:
        one = answer(list(parts))
        one.code()
        one.items()
    except Unclear:
        pass


@given(st.text(alphabet='() "\\[]{}aUID0123456789NIL<>\r\n\0é', max_size=80))
def test_near_grammar_is_a_value_or_unclear(text: str) -> None:
    with contextlib.suppress(Unclear):
        pairs(tokens([text.encode()]))


@given(st.datetimes(min_value=datetime(1980, 1, 1), max_value=datetime(2100, 1, 1)))
def test_dates_are_read_in_utc(when: datetime) -> None:
    when = when.replace(microsecond=0, tzinfo=UTC)
    assert moment(when.strftime("%d-%b-%Y %H:%M:%S +0000").encode()) == when


@pytest.mark.parametrize("text", [None, b"", b"31-Feb-2025 10:00:00 +0000", b"01-Xyz-2025 10:00:00 +0000", [b"x"]])
def test_broken_dates_are_unclear(text: bytes | None) -> None:
    with pytest.raises(Unclear):
        moment(text)
