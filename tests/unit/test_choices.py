"""The choice's pure part: tokens and the reading of answers."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcrm.core.choices import (
    LETTERS,
    Answer,
    AnswerReference,
    answer_reference,
    deal_of_folder,
    digest_id,
    folder_name,
    is_question,
    page_token,
    question_id,
    read_answer,
    read_digest,
    read_page_token,
)
from mailcrm.core.model import Address, Message

SECRET = b"s" * 32
NONCE = "0123456789abcdef"


def message(**fields: object) -> Message:
    sender = Address("Anna", "anna@firma.example")
    given: dict[str, object] = {"message_id": "x@y.example", "date": datetime(2026, 3, 2, tzinfo=UTC), "from_": sender}
    return Message(**{**given, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2", Answer(2)),
        ("  2. ", Answer(2)),
        ("#2", Answer(2)),
        ("2\ufe0f\u20e3", Answer(2)),
        ("*2*", Answer(2)),
        ("„2”", Answer(2)),
        ("2, thanks!", Answer(2)),
        ("Żadna z powyższych.", Answer(0)),
        ("2 - ten z dachem", Answer(2)),
        ("nr 2 proszę", Answer(2)),
        ("I choose 2", Answer(2)),
        ("always 2", Answer(2, always=True)),
        ("Zawsze 2", Answer(2, always=True)),
        ("2 zawsze", Answer(2, always=True)),
        ("2, always please", Answer(2, always=True)),
        ("0", Answer(0)),
        ("none", Answer(0)),
        ("Żadna.", Answer(0)),
        ("nie", Answer(0)),
        ("None of these", Answer(0)),
        ("Cześć,\n\n1\n\nPozdrawiam\nAnna Nowak\ntel. 600 100 200\nul. Długa 2", Answer(1)),
        ("1\n-- \nAnna\n2", Answer(1)),
        ("1\n\nSent from my phone 2", Answer(1)),
        ("1\n\nWysłano z iPhone'a 2", Answer(1)),
        ("1\nOn Mon, 2 Mar 2026 mailcrm wrote:\n> 2 Roof", Answer(1)),
        ("1\nW dniu 2.03.2026 o 10:00, mailcrm pisze:\n2", Answer(1)),
        ("1\n-----Original Message-----\nFrom: mailcrm\n2  Garage", Answer(1)),
        ("1\nOd: mailcrm\n2  Garaż", Answer(1)),
        ("1\n## mailcrm: reply above this line ##\n2  Garage\n0  none", Answer(1)),
        ("> 2  Garage\n> 0 none\n1", Answer(1)),
        ("", None),
        ("hello", None),
        ("3", None),
        ("12", None),
        ("2.5", None),
        ("2%", None),
        ("1 or 2", None),
        ("1 albo 2", None),
        ("not 2", None),
        ("nie 2", None),
        ("nie wiem", None),
        ("1\n2", None),
        ("none\n1", None),
        ("1\nsorry, I meant 2", None),
        ("2 offers are one and the same, aren't they?", None),
        ("2 tygodnie temu", None),
        ("I was away for 2 weeks", None),
        ("always", None),
        ("always 0", None),
        ("always\n2", None),
        ("9" * 5000, None),
    ],
)
def test_an_answer_is_read_or_asked_again(text: str, expected: Answer | None) -> None:
    assert read_answer(text, (1, 2)) == expected


@given(st.text(), st.lists(st.integers(1, 30), max_size=9, unique=True))
def test_nothing_is_read_that_was_not_offered(text: str, numbers: list[int]) -> None:
    answer = read_answer(text, numbers)
    assert answer is None or answer.number == 0 or answer.number in numbers


@given(
    st.integers(1, 9),
    st.booleans(),
    st.sampled_from(["", "Hi,\n\n", "Dzień dobry,\n", "> quoted 3\n"]),
    st.sampled_from(
        ["", "\n\nThanks\nAnna", "\n-- \nAnna, tel. 1 2 3", "\n\nOn 1 Jan X wrote:\n> 4 Roof", "\r\n\r\n> 5"]
    ),
)
def test_a_number_is_read_whatever_stands_around_it(number: int, always: bool, before: str, after: str) -> None:
    said = f"always {number}" if always else str(number)
    assert read_answer(before + said + after, range(1, 10)) == Answer(number, always)


@pytest.mark.parametrize(
    ("text", "answers", "unclear"),
    [
        ("A 2\nB 1", {0: Answer(2), 1: Answer(1)}, ()),
        ("a: always 2\nb) none", {0: Answer(2, always=True), 1: Answer(0)}, ()),
        ("A2\nB - 0", {0: Answer(2), 1: Answer(0)}, ()),
        ("A 7\nB 1", {1: Answer(1)}, (0,)),
        ("A 1\nA 2", {}, (0,)),
        ("C 1", {}, ()),
        ("2", {}, ()),
        ("thanks\nB 1\n\n> A 2", {1: Answer(1)}, ()),
    ],
)
def test_a_digest_is_answered_by_letters(text: str, answers: dict[int, Answer], unclear: tuple[int, ...]) -> None:
    read = read_digest(text, [(1, 2), (1, 2)])
    assert (read.answers, read.unclear) == (answers, unclear)


@pytest.mark.parametrize(
    ("text", "answers", "unclear"),
    [
        ("A 2\nb: 0\n\nAnna", {0: Answer(2), 1: Answer(0)}, ()),
        ("A 2\nB 1\n\nA. Nowak, tel. 600 100 200", {0: Answer(2), 1: Answer(1)}, ()),
        ("Bardzo proszę:\nA2\nB. Nowak", {0: Answer(2)}, (1,)),
        ("A 2\nA 1 2", {}, (0,)),
        ("A 2\nA lub 1", {}, (0,)),
        ("A co z resztą?\nB 1", {1: Answer(1)}, (0,)),
    ],
)
def test_a_name_below_is_no_answer_to_a_letter(
    text: str, answers: dict[int, Answer], unclear: tuple[int, ...]
) -> None:  # DATA-22
    read = read_digest(text, [(1, 2), (1, 2)])
    assert (read.answers, read.unclear) == (answers, unclear)


def test_a_digest_of_one_question_needs_no_letter() -> None:
    for text in ("2", "2\n\nAnna", "2\nA. Nowak"):
        assert read_digest(text, [(1, 2)]).answers == {0: Answer(2)}


def test_a_reply_carries_the_token_back() -> None:
    asked = question_id(SECRET, 12, NONCE, "firma.example")
    reference = AnswerReference((12,), NONCE)
    assert answer_reference(message(in_reply_to=(asked,)), SECRET) == reference
    assert answer_reference(message(references=("a@b.example", asked, "c@d.example")), SECRET) == reference
    told = question_id(SECRET, 12, NONCE, "firma.example", label="unclear")
    assert told != asked
    assert answer_reference(message(in_reply_to=(told,)), SECRET) == reference


def test_a_digest_token_names_its_choices() -> None:
    asked = digest_id(SECRET, 3, range(1, len(LETTERS) + 1), "firma.example")
    reference = answer_reference(message(in_reply_to=(asked,)), SECRET)
    assert reference is not None
    assert reference.digest
    assert reference.choices == tuple(range(1, len(LETTERS) + 1))


@pytest.mark.parametrize(
    "forged",
    [
        question_id(b"other", 12, NONCE, "firma.example"),
        question_id(SECRET, 12, NONCE, "firma.example").replace("q.12.", "q.13."),
        question_id(SECRET, 12, NONCE, "firma.example").replace(NONCE, "f" * 16),
        digest_id(SECRET, 3, [1, 2], "firma.example").replace(".1-2.", ".1-3."),
        digest_id(b"other", 3, [1, 2], "firma.example"),
        "q.12.0123456789abcdef.@firma.example",
        f"q.12.{page_token(SECRET, 12, NONCE).removeprefix('12.')}@firma.example",  # the page's token is another
    ],
)
def test_a_forged_token_is_no_reference(forged: str) -> None:
    assert answer_reference(message(in_reply_to=(forged,)), SECRET) is None
    assert not is_question(message(message_id=forged), SECRET)


def test_our_own_question_is_known_wherever_it_lies() -> None:
    asked = question_id(SECRET, 12, NONCE, "firma.example")
    mark = {"x-mailcrm-choice": ("question",)}
    assert is_question(message(message_id=asked, references=(asked,)), SECRET)
    assert is_question(message(message_id="new@ses.example", references=(asked,), headers=mark), SECRET)
    assert not is_question(message(headers=mark), SECRET)
    assert not is_question(message(in_reply_to=(asked,), references=(asked,)), SECRET)
    assert answer_reference(message(message_id=asked, references=(asked,)), SECRET) is None


def test_the_page_token_is_checked() -> None:
    token = page_token(SECRET, 7, NONCE)
    assert read_page_token(SECRET, token) == (7, NONCE)
    assert read_page_token(b"other", token) is None
    assert read_page_token(SECRET, token.replace("7.", "8.", 1)) is None
    assert read_page_token(SECRET, token[:-1] + ("0" if token[-1] != "0" else "1")) is None


@given(st.text(max_size=80))
def test_any_text_may_come_as_a_token(text: str) -> None:
    assert read_page_token(SECRET, text) is None
    assert answer_reference(message(in_reply_to=(text,), references=(f"q.{text}", f"d.{text}")), SECRET) is None


@given(st.integers(1, 10**12), st.text(max_size=100))
def test_a_deal_folder_names_its_deal(deal: int, title: str) -> None:
    name = folder_name(deal, title)
    assert deal_of_folder(name) == deal
    assert len(name) <= 60
    assert not set(name) & set('/.\\%*"\r\n&')
