"""Which thread: however the same mail comes in, the same threads come out."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailcrm.app.ingest import ingest
from mailcrm.core.model import Bounce, Forward, Kind, Message, Reading
from mailcrm.core.threads import Placement, key_of, keys_of, normal_subject, place, references_of
from mailcrm.store import tables
from mailcrm.store.db import Database
from mailcrm.store.migrate import upgrade
from tests.house import batch, build, mail
from tests.unit.test_ingest import rows
from tests.unit.test_ingest_together import components, parted

SENDERS = ("ewa@klient.example", "ola@klient.example", "anna@firma.example")


@st.composite
def stories(draw: st.DrawFn) -> list[Message]:
    """Mails that refer to each other, to unseen mails and to themselves; some share a Message-ID."""
    story = []
    for n in range(draw(st.integers(1, 9))):
        story.append(
            mail(
                draw(st.sampled_from([n, n, n, 0])),
                sender=draw(st.sampled_from(SENDERS)),
                to="ula@klient.example, anna@firma.example",
                age=timedelta(minutes=n + 1),
                replies_to=tuple(draw(st.lists(st.integers(0, 12), max_size=3))),
            )
        )
    return story


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[Message], list[list[Message]]]:
    """A story, and batches in which it comes: in any order, cut anywhere, some of it twice."""
    story = draw(stories())
    copies = draw(st.lists(st.sampled_from(story), max_size=3))
    order = draw(st.permutations([*story, *copies]))
    cuts = sorted(draw(st.sets(st.integers(1, len(order)))) | {len(order)})
    return story, [list(order[low:high]) for low, high in zip([0, *cuts], cuts, strict=False)]


@pytest.fixture(scope="module")
def empty() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "empty.db"
        database = Database(f"sqlite:///{file}")
        upgrade(database)
        build(database, Path(folder))
        database.close()
        yield file


@settings(max_examples=40)
@given(delivery=deliveries())
def test_order_and_batches_make_no_difference(
    empty: Path, delivery: tuple[list[Message], list[list[Message]]]
) -> None:  # DATA-18
    story, batches = delivery
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(empty, Path(folder) / "test.db")
        database = Database(f"sqlite:///{Path(folder) / 'test.db'}")
        house = build(database, Path(folder))
        for each in batches:
            ingest(house, batch(*each))
        messages, threads = rows(house, tables.message), rows(house, tables.thread)
        links = [row for row in rows(house, tables.link) if row.record == "thread"]
        references = rows(house, tables.thread_reference)
        found = parted(house)
        database.close()
    assert len(messages) == len(story)
    assert found == components(story)
    live = {row.id for row in threads if row.merged_into is None}
    assert {row.thread_id for row in messages} == live
    assert {row.merged_into for row in threads} - {None} <= live
    assert {row.thread_id for row in references} == live
    assert {(row.message_id, row.record_id) for row in links} == {(row.id, row.thread_id) for row in messages}


KEYS = st.text("abcdefgh", min_size=1, max_size=1)


@given(
    keys=st.lists(KEYS),
    known=st.dictionaries(KEYS, st.integers(1, 5)),
    split=st.sets(st.tuples(st.integers(1, 5), st.integers(1, 5)).filter(lambda pair: pair[0] != pair[1])),
)
def test_what_was_split_is_never_brought_together(
    keys: Sequence[str], known: dict[str, int], split: set[tuple[int, int]]
) -> None:  # DATA-18
    apart = split | {(other, one) for one, other in split}
    placement = place(keys, known, apart)
    together = {placement.thread, *placement.joins}
    assert not any((one, other) in apart for one in together for other in together)
    named = [known[key] for key in keys if key in known]
    assert together <= {*named} or placement == Placement(None, (), placement.rule, placement.evidence)
    if named:
        assert named[0] in together
        assert placement.thread == min(each for each in together if each)
        assert len(placement.joins) == len(together) - 1
        left = set(named) - together
        assert all(any((each, other) in apart for other in together) for each in left)


@given(st.text())
def test_a_key_is_bounded_and_can_be_stored(text: str) -> None:
    key = key_of(text * 300)
    assert len(key.encode()) <= 600
    assert "\0" not in key
    assert key_of(key) == key


def test_every_id_that_a_message_names_tells_its_thread() -> None:  # DATA-18
    message = mail(3, replies_to=(1, 2), message_id="3@test.example")
    assert references_of(message, "gm:17") == ("3@test.example", "2@test.example", "1@test.example", "gm:17")
    assert references_of(mail(1, message_id=None, references=("\0", "x\0@y")), None) == ("x@y",)
    bounce = Reading(Kind.BOUNCE, "", bounce=Bounce("x@y", None, True, "", original_id="sent@firma.example"))
    assert keys_of(mail(1), bounce, None) == ("1@test.example", "sent@firma.example")
    forward = Reading(Kind.HUMAN, "", forward=Forward(None, message_id="1@test.example"))
    assert keys_of(mail(1), forward, None) == ("1@test.example",)


@pytest.mark.parametrize("subject", ["Oferta", "Re: Oferta", "ODP: FW:  oferta", "Fwd[2]: Re: Oferta"])
def test_subjects_are_compared_without_prefixes(subject: str) -> None:
    assert normal_subject(subject) == "oferta"
