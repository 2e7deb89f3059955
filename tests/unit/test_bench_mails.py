"""The made mail of the benchmarks: the same each time, well-formed, threaded, of the sizes that are promised."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email import policy
from email.parser import BytesParser

from tests.bench.mails import REP, mails
from tests.bench.rows import Row, quantile

NOW = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


def test_it_is_the_same_each_time() -> None:
    assert list(mails(60, now=NOW)) == list(mails(60, now=NOW))
    assert list(mails(60, now=NOW)) != list(mails(60, now=NOW, seed=8))


def test_it_is_well_formed_and_says_what_it_claims() -> None:
    for mail in mails(150, now=NOW):
        parsed = BytesParser(policy=policy.default).parsebytes(mail.raw)
        assert parsed.defects == []
        assert parsed["message-id"] == f"<{mail.message_id}>"
        assert mail.sent is (REP.email in parsed["from"])
        body = parsed.get_body(("plain",))
        assert body is not None
        assert len(body.get_content()) > 100


def test_threads_hang_together_and_time_passes() -> None:
    found = list(mails(400, now=NOW, days=4))
    known: dict[str, int] = {}
    for mail in found:
        answered = BytesParser(policy=policy.default).parsebytes(mail.raw)["in-reply-to"]
        assert answered is None or known[answered.strip("<>")] == mail.thread
        known[mail.message_id] = mail.thread
    assert max(list(known.values()).count(thread) for thread in set(known.values())) <= 10
    assert [mail.at for mail in found] == sorted(mail.at for mail in found)
    assert NOW - timedelta(days=4) <= found[0].at <= found[-1].at <= NOW
    assert 0.2 < sum(mail.sent for mail in found) / len(found) < 0.5


def test_most_of_it_has_the_promised_size() -> None:
    sizes = [len(mail.raw) for mail in mails(400, now=NOW)]
    assert quantile(sizes, 0.05) > 2_000
    assert quantile(sizes, 0.95) < 60_000


def test_a_row_knows_whether_it_is_met() -> None:
    assert Row("n", "o", "p", 12.0, 12).met
    assert not Row("n", "o", "p", 11.9, 12).met
    assert Row("n", "o", "p", 1.1, 1.2, "less").met
    assert not Row("n", "o", "p", 1.3, 1.2, "less").met
