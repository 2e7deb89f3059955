"""Documents handed to plugins: their answers, failures and hangs; the bundled plugin that files them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mailcrm import Document, Permanent, Temporary, hookimpl, testing
from mailcrm.errors import MailcrmError, Refused
from mailcrm.plugins import PluginFailed, PluginHost
from tests.hooks.test_isolation import FAILURES, host, listed, plugin

FOLDER = Path(__file__).parents[2] / "plugins" / "document_folder.py"


def hand(made: PluginHost, **more: Any) -> str | None:
    return made.hand_over("hand_over_document", document=testing.document(**more), pdf=b"%PDF-1.7")


async def later() -> str:
    return "ledger/7\n\x1b[2J"


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (lambda: "ledger/7", "ledger/7"),
        (lambda: None, None),
        (lambda: "", None),
        (lambda: " \n", None),
        (later, "ledger/7 [2J"),  # one line, without controls
    ],
)
def test_the_answer_is_kept(said: Callable[[], Any], kept: str | None) -> None:
    assert hand(host(one=plugin("hand_over_document", said))) == kept


def test_every_plugin_gets_it_and_the_first_answer_counts() -> None:
    told = []
    made = host(
        first=plugin("hand_over_document", lambda: told.append("first")),
        second=plugin("hand_over_document", lambda: told.append("second") or "2"),
        third=plugin("hand_over_document", lambda: told.append("third") or "3"),
    )
    assert hand(made) == "2"
    assert told == ["first", "second", "third"]
    assert hand(host()) is None


@pytest.mark.parametrize("kind", FAILURES)
def test_a_failure_can_be_tried_again(kind: str) -> None:
    made = host(bad=plugin("hand_over_document", FAILURES[kind]))
    with pytest.raises(PluginFailed, match=r"bad failed in hand_over_document") as failed:
        hand(made)
    assert isinstance(failed.value, Temporary)
    assert listed(made, "bad").failures == 1
    assert (listed(made, "bad").state == "off") == (kind == "hangs")


@pytest.mark.parametrize("said", [lambda: 17, lambda: True, lambda: b"7", lambda: iter("7"), lambda: (_ for _ in "7")])
def test_nonsense_is_a_failure(said: Callable[[], Any]) -> None:
    with pytest.raises(PluginFailed):
        hand(host(bad=plugin("hand_over_document", said)))


@pytest.mark.parametrize("error", [Permanent("the ledger is closed"), Temporary("the ledger is busy")])
def test_what_it_says_of_our_errors_passes_through(error: MailcrmError) -> None:
    def refuse() -> str:
        raise error

    made = host(bad=plugin("hand_over_document", refuse))
    with pytest.raises(type(error), match="the ledger is"):
        hand(made)
    assert listed(made, "bad").failures == 0


def test_what_is_no_implementation_is_refused() -> None:
    class Wrong:
        @hookimpl
        def hand_over_document(self, document: Document, pdf: str) -> str:
            return pdf

    with pytest.raises(Refused, match="pdf is bytes, not str"):
        testing.host(Wrong())

    class Number:
        @hookimpl
        async def hand_over_document(self, document: Document) -> int:
            return 7

    with pytest.raises(Refused, match="hand_over_document returns"):
        testing.host(Number())


def test_the_kit_calls_it(tmp_path: Path) -> None:
    trials = list(testing.trials(testing.load(FOLDER, {"folder": str(tmp_path / "out")}), tmp_path))
    said = [(trial.sample, trial.said) for trial in trials if trial.hook == "hand_over_document"]
    assert said == [("invoice", "FV-2026-0007.pdf"), ("invoice", "FV-2026-0007.pdf"), ("offer", "")]
    assert not any(trial.failed for trial in trials)


@pytest.mark.parametrize(
    ("name", "file"),
    [("FV/2026/0007", "FV-2026-0007.pdf"), ("../../etc/passwd", "--..-etc-passwd.pdf"), ("/", "-.pdf")],
)
def test_document_folder_files_it_in_its_folder(name: str, file: str, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "out"
    made = testing.load(FOLDER, {"folder": str(folder), "kinds": ["invoice", "offer"]})
    for _ in range(2):
        assert hand(made, kind="offer", name=name) == file
    assert [each.name for each in folder.iterdir()] == [file]
    assert (folder / file).read_bytes() == b"%PDF-1.7"


def test_document_folder_that_cannot_write_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(PluginFailed, match="FileExistsError"):
        hand(testing.load(FOLDER, {"folder": str(tmp_path / "out")}))
