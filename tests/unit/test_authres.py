"""Authentication-Results: what proves a sender, and what does not (RFC 8601)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcrm.core.authres import dmarc_failed, dmarc_passed

OURS = "mx.firma.example"


def passed(*fields: str) -> bool:
    return dmarc_passed(fields, OURS, "firma.example")


@pytest.mark.parametrize(
    "field",
    [
        "mx.firma.example; dmarc=pass",
        "MX.firma.example; DMARC=Pass header.from=firma.example",
        "mx.firma.example 1; spf=pass smtp.mailfrom=firma.example; dmarc=pass (p=none) header.from=firma.example",
        'mx.firma.example (our "own" (nested) server); dkim=fail; dmarc=pass header.from="firma.example"',
        'mx.firma.example; dkim=pass reason="good; really" header.d=x; dmarc = pass',
    ],
)
def test_a_pass_of_our_server_counts(field: str) -> None:
    assert passed(field)


@pytest.mark.parametrize(
    "field",
    [
        "",
        "mx.firma.example",
        "mx.firma.example; none",
        "mx.firma.example; dmarc=fail header.from=firma.example",
        "mx.firma.example; spf=pass; dkim=pass",
        "mx.evil.example; dmarc=pass",
        "mx.firma.example.evil.example; dmarc=pass",
        "mx.firma.example; dmarc=pass header.from=evil.example",
        "mx.firma.example; dmarc=fail; dmarc=pass",
        "mx.firma.example; spf=pass (dmarc=pass)",
        "mx.firma.example; (; dmarc=pass",
        'mx.firma.example; spf=fail reason="x; dmarc=pass"',
        'mx.firma.example; spf=fail reason="x; dmarc=pass',
        "mx.firma.example); dmarc=pass",
        "mx.firma.example; x-dmarc=pass",
        "mx.firma.example; dmarc=passed",
    ],
)
def test_anything_else_does_not(field: str) -> None:
    assert not passed(field)


def test_only_the_topmost_field_counts() -> None:
    """What stands further down came with the mail."""
    forged = "mx.firma.example; dmarc=pass"
    assert not passed("mx.firma.example; dmarc=fail", forged)
    assert not passed("other.example; dmarc=pass", forged)
    assert not passed()


@given(st.text())
def test_any_text_may_stand_there(text: str) -> None:
    passed(text)
    assert not passed(f"evil.example; {text}")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (("mx.firma.example; dmarc=fail header.from=klient.example",), True),
        (("MX.firma.example; spf=pass; DMARC=FAIL (p=reject)",), True),
        (("mx.firma.example; dmarc=pass; dmarc=fail",), True),
        (("mx.firma.example; dmarc=none",), False),
        (("mx.firma.example; spf=fail",), False),
        (('mx.firma.example; spf=pass reason="dmarc=fail"',), False),
        (("mx.other.example; dmarc=fail",), False),
        (("mx.firma.example; dmarc=pass", "mx.firma.example; dmarc=fail"), False),
        ((), False),
    ],
)
def test_a_failure_is_what_our_own_server_found(fields: tuple[str, ...], expected: bool) -> None:
    assert dmarc_failed(fields, "mx.firma.example") is expected
