"""A message out of a FETCH response: the glance and the grammar must see the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailcrm.mail.imap_answers import Unclear, answer, moment
from mailcrm.mail.imap_body import fetched, unusual, usual
from mailcrm.mail.imap_listing import UNDATED, Fetched

DATE = b'INTERNALDATE "17-Nov-2026 10:00:05 +0100"'
AT = datetime(2026, 11, 17, 9, 0, 5, tzinfo=UTC)
SEEN = Fetched(45, b"raw", AT, ("\\Seen", "$crm1"))


@pytest.mark.parametrize(
    ("items", "hint"),
    [
        (b"UID 45 FLAGS (\\Seen $crm1) " + DATE, None),
        (b"FLAGS (\\Seen $crm1) " + DATE + b" UID 45", None),
        (DATE + b" UID 45 MODSEQ (917) RFC822.SIZE 3 FLAGS (\\Seen $crm1)", None),
        (b"X-GM-THRID 17 UID 45 FLAGS (\\Seen $crm1) " + DATE, "gm:17"),
        (b"UID 45 FLAGS (\\Seen $crm1) " + DATE + b" THREADID (T64b-4)", "oid:T64b-4"),
    ],
)
def test_the_usual_answers_are_read_at_a_glance(items: bytes, hint: str | None) -> None:
    one = answer([b"* 3 FETCH (" + items + b" BODY[] ", b"raw", b")"])
    seen = Fetched(45, b"raw", AT, ("\\Seen", "$crm1"), hint)
    assert usual(one.parts) == unusual(one) == seen


@pytest.mark.parametrize(
    "parts",
    [
        [b"(UID 45 BODY[] ", b"raw", b" FLAGS (\\Seen $crm1) " + DATE + b")"],
        [b"(uid 45 flags (\\Seen $crm1) " + DATE + b" body[] ", b"raw", b")"],
        [b"( UID 45  FLAGS (\\Seen NIL $crm1) " + DATE + b" BODY[] ", b"raw", b")"],
        [b'(EMAILID ("x") UID 45 FLAGS (\\Seen $crm1) ' + DATE + b" BODY[] ", b"raw", b")"],
        [b"(UID 45 FLAGS (\\Seen ", b"$crm1", b") " + DATE + b" BODY[] ", b"raw", b")"],
        [b"(UID 45 FLAGS (\\Seen $crm1) " + DATE + b' BODY[] "raw")'],
    ],
)
def test_other_answers_are_read_by_the_grammar(parts: list[bytes]) -> None:
    assert usual(parts) is None
    assert fetched(answer([b"* 3 FETCH " + parts[0], *parts[1:]])) == SEEN


@pytest.mark.parametrize("parts", [[b"(UID 45 FLAGS ())"], [b"(UID 45 BODY[TEXT] ", b"raw", b")"]])
def test_answers_without_a_body_hold_no_message(parts: list[bytes]) -> None:
    assert fetched(answer([b"* 3 FETCH " + parts[0], *parts[1:]])) is None


ITEMS = st.one_of(
    st.integers(0, 10**21).map(lambda n: b"UID %d" % n),
    st.text(alphabet='\\SeenNIL$ []()"*%é\r', max_size=12).map(lambda text: b"FLAGS (%s)" % text.encode()),
    st.lists(st.sampled_from([b"\\Seen", b"$crm1", b"nil", b"NIL", b"a[1]", b"a]b"])).map(
        lambda flags: b"FLAGS (%s)" % b" ".join(flags)
    ),
    st.sampled_from([DATE, b'INTERNALDATE " 1-Feb-2026 10:00:61 -0530"', b'INTERNALDATE "31-Feb-2026 10:00:00 +0000"']),
    st.sampled_from(
        [b"INTERNALDATE NIL", b"MODSEQ (17)", b"RFC822.SIZE 3", b"X-GM-THRID 9", b"X-GM-THRID NIL", b"ENVELOPE (a (b))"]
    ),
    st.sampled_from([b"THREADID NIL", b"THREADID (nil)", b"THREADID (T1)", b"THREADID ()", b"FLAGS NIL", b"uid 7"]),
)


@given(
    st.lists(ITEMS, max_size=7),
    st.sampled_from([b" ", b"  "]),
    st.sampled_from([b")", b" UID 8)", b" )", b"", b"))"]),
)
@example([b"UID 1", b"FLAGS ()", DATE, b"THREADID (nil)"], b" ", b")")
@example([b"UID 1", b"FLAGS ()", DATE, b"UID 2", b"FLAGS (b)", DATE], b" ", b")")
def test_the_glance_never_sees_what_the_grammar_does_not(items: list[bytes], between: bytes, end: bytes) -> None:
    one = answer([b"* 3 FETCH (" + between.join([*items, b"BODY[] "]), b"raw", end])
    seen = usual(one.parts)
    try:
        read = unusual(one)
    except Unclear:
        read = None
    assert seen is None or seen == read


@given(
    st.datetimes(min_value=datetime(1, 1, 3), max_value=datetime(9999, 12, 29)).map(
        lambda at: at.replace(microsecond=0)
    ),
    st.integers(-1439, 1439),
)
def test_dates_of_every_zone_are_read_in_utc(at: datetime, minutes: int) -> None:
    zone = timezone(timedelta(minutes=minutes))
    hours, rest = divmod(abs(minutes), 60)
    text = f"{at:%d-%b-}{at.year:04}{at: %H:%M:%S} {'-' if minutes < 0 else '+'}{hours:02}{rest:02}"
    assert moment(text.encode()) == at.replace(tzinfo=zone)
    assert moment(text.encode()).tzinfo is UTC


@pytest.mark.parametrize("zone", [b"+2400", b"-9959", b"+2360"])
def test_an_impossible_zone_is_no_date(zone: bytes) -> None:
    with pytest.raises(Unclear):
        moment(b"17-Nov-2026 10:00:05 " + zone)
    one = answer([b'* 3 FETCH (UID 1 FLAGS () INTERNALDATE "17-Nov-2026 10:00:05 %s" BODY[] ' % zone, b"raw", b")"])
    assert usual(one.parts) == unusual(one) == Fetched(1, b"raw", UNDATED)


def test_the_ends_of_time_are_no_date() -> None:
    with pytest.raises(Unclear):
        moment(b"01-Jan-0001 00:00:00 +0100")
