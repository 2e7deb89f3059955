"""What may be a plugin, where plugins come from, and how those that are none are listed."""

from __future__ import annotations

import logging
import sys
import textwrap
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from mailcrm import Message, OpenDeal, hookimpl, testing
from mailcrm.errors import Refused
from mailcrm.plugins import PluginHost, find

GOOD = """
from mailcrm import Message, hookimpl

@hookimpl
def choose_person(message: Message) -> str | None:
    return "jan@klient.example"
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    folder = tmp_path / "plugins"
    folder.mkdir()

    def write(**sources: str) -> Path:
        for name, source in sources.items():
            (folder / f"{name}.py").write_text(textwrap.dedent(source), encoding="utf-8")
        return folder

    return write


@pytest.fixture(autouse=True)
def _no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find, "entry_points", lambda group: [])
    monkeypatch.setattr(find, "bundled", lambda: None)


def loaded(folder: Path, **options: Any) -> PluginHost:
    host = PluginHost(**options)
    host.load(folder)
    return host


def states(host: PluginHost) -> dict[str, str]:
    return {listed.name: listed.state for listed in host.listing()}


def reason(host: PluginHost, name: str) -> str:
    return next(listed.reason for listed in host.listing() if listed.name == name)


def test_a_file_in_the_folder_is_a_plugin(write: Callable[..., Path]) -> None:
    host = loaded(write(good=GOOD, _private="1/0", test_good="1/0"))
    assert states(host) == {"good": "on"}
    assert host.listing()[0].hooks == ("choose_person",)
    assert host.choose("choose_person", message=testing.message()) == ("good", "jan@klient.example")


def test_without_an_implementation_nothing_is_asked(write: Callable[..., Path]) -> None:
    host = loaded(write(good=GOOD))
    assert host.has("choose_person")
    assert not host.has("choose_deal")
    assert host.implementers("choose_person") == ["good"]
    assert host.implementers("on_event") == []
    assert host.choose("choose_deal", message=testing.message(), deals=[]) is None
    assert host.vetoes("veto_link", message=testing.message()) == []


BROKEN = {
    "raises": ("1/0", "ZeroDivisionError"),
    "syntax": ("def (", "SyntaxError"),
    "exits": ("import sys\nsys.exit(3)", "tried to end the program"),
    "interrupts": ("raise KeyboardInterrupt", "tried to end the program"),
    "missing": ("import no_such_module_anywhere", "no_such_module_anywhere"),
    "empty": ("x = 1", "implements no hook"),
    "unmarked": ("def choose_deal(message, deals): ...", "choose_deal is not marked"),
    "unknown": ("from mailcrm import hookimpl\n@hookimpl\ndef on_evnt(event): ...", "did you mean on_event?"),
    "parameter": (
        "from mailcrm import hookimpl\n@hookimpl\ndef choose_deal(message, deal): ...",
        "choose_deal has no parameter deal; did you mean deals?",
    ),
    "positional": (
        "from mailcrm import hookimpl\n@hookimpl\ndef on_event(event, /): ...",
        "event is positional-only",
    ),
    "annotation": (
        "from mailcrm import hookimpl\n@hookimpl\ndef on_event(event: int): ...",
        "on_event: event is Event, not int",
    ),
    "late_annotation": (
        "from __future__ import annotations\nfrom mailcrm import hookimpl, Message\n@hookimpl\n"
        "def choose_deal(message: Message, deals: list[Message]): ...",
        "deals is Sequence[OpenDeal], not list[Message]",
    ),
    "answer": (
        "from mailcrm import hookimpl\n@hookimpl\ndef choose_deal(message, deals) -> str: ...",
        "choose_deal returns int | None, not str",
    ),
    "generator": ("from mailcrm import hookimpl\n@hookimpl\ndef on_event(event): yield", "generator"),
    "async_generator": ("from mailcrm import hookimpl\n@hookimpl\nasync def on_event(event): yield", "generator"),
    "async_choice": (
        "from mailcrm import hookimpl\n@hookimpl\nasync def veto_link(message): ...",
        "can't be async",
    ),
    "wrapper": (
        "from mailcrm import hookimpl\n@hookimpl(wrapper=True)\ndef veto_link(message): return (yield)",
        "generator",
    ),
    "config_kind": (
        "from mailcrm import hookimpl\n@hookimpl\ndef register_config(): return dict",
        "must return a dataclass",
    ),
    "config_raises": ("from mailcrm import hookimpl\n@hookimpl\ndef register_config(): 1/0", "ZeroDivisionError"),
    "two": (
        "from mailcrm import hookimpl\n@hookimpl\ndef on_event(event): ...\n"
        "@hookimpl(specname='on_event')\ndef other(event): ...",
        "on_event is implemented twice",
    ),
    "a.dot": (GOOD, "its name must be letters"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_plugin_is_listed_with_its_reason_and_the_rest_loads(
    write: Callable[..., Path], name: str, caplog: pytest.LogCaptureFixture
) -> None:
    source, why = BROKEN[name]
    host = loaded(write(**{name: source, "good": GOOD}))
    assert states(host) == {name: "refused", "good": "on"}
    assert why in reason(host, name)
    assert "\n" not in reason(host, name)
    assert any(why in fault for fault in host.problems())
    assert any(name in record.message for record in caplog.records if record.levelno == logging.WARNING)
    assert not [module for module in sys.modules if module.startswith(f"mailcrm_plugin_{name}_") and why == "1/0"]


def test_a_file_that_hangs_while_it_is_loaded(write: Callable[..., Path]) -> None:
    host = loaded(write(hangs="import threading\nthreading.Event().wait()", good=GOOD), work_seconds=0.2)
    assert states(host) == {"hangs": "refused", "good": "on"}
    assert "not loaded in time" in reason(host, "hangs")


def test_annotations_may_be_wider_and_imported_for_checkers_only(write: Callable[..., Path]) -> None:
    host = loaded(
        write(
            wide="""
            from __future__ import annotations
            from typing import TYPE_CHECKING, Any, Iterable, Optional
            from mailcrm import hookimpl, Message
            if TYPE_CHECKING:
                from mailcrm import OpenDeal

            @hookimpl
            def choose_deal(message: Message | None, deals: Sequence[OpenDeal]) -> Optional[int]: ...
            @hookimpl
            def veto_link(message: object) -> None: ...
            @hookimpl
            def on_event(event: Any, verbose: bool = False) -> None: ...
            """
        )
    )
    assert states(host) == {"wide": "on"}, host.listing()


def test_iterables_and_tuples_of_deals_are_accepted() -> None:
    class Iterating:
        @hookimpl
        def choose_deal(self, deals: Iterable[OpenDeal]) -> int | None:
            return next(iter(deals)).id

    class Tuple:
        @hookimpl
        def choose_deal(self, message: Message, deals: tuple[OpenDeal, ...]) -> int:
            return deals[-1].id

    args = {"message": testing.message(), "deals": [testing.deal(1), testing.deal(2)]}
    assert testing.host(Iterating()).choose("choose_deal", **args) == ("plugin", 1)
    assert testing.host(Tuple()).choose("choose_deal", **args) == ("plugin", 2)


def test_a_dataclass_with_late_annotations_in_a_file(write: Callable[..., Path]) -> None:
    folder = write(
        late="""
        from __future__ import annotations
        from dataclasses import dataclass, field
        from typing import ClassVar
        from mailcrm import Message, hookimpl

        @dataclass(frozen=True)
        class Settings:
            kind: ClassVar[str] = "x"
            words: tuple[str, ...] = ("a",)

        @hookimpl
        def register_config() -> type:
            return Settings

        @hookimpl
        def veto_link(message: Message, config: Settings) -> str | None:
            return ",".join(config.words)
        """
    )
    host = loaded(folder, config={"late": {"words": ["b", "c"]}})
    assert host.vetoes("veto_link", message=testing.message()) == ["late: b,c"]


def test_two_plugins_of_one_name_name_both_owners(write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    class Package:
        name, version = "acme-plugin", "2.1"

    class Entry:
        name, value, dist = "good", "acme", Package

        def load(self) -> object:
            class Plugin:
                @hookimpl
                def choose_person(self, message: Message) -> str:
                    return "other@klient.example"

            return Plugin()

    monkeypatch.setattr(find, "entry_points", lambda group: [Entry()])
    host = loaded(folder := write(good=GOOD))
    assert [(listed.state, listed.place) for listed in host.listing()] == [("refused", "folder"), ("on", "installed")]
    (fault,) = host.problems()
    assert "acme-plugin 2.1" in fault
    assert str(folder / "good.py") in fault
    assert host.choose("choose_person", message=testing.message()) == ("good", "other@klient.example")


def test_the_same_file_is_loaded_once(write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(good=GOOD)
    monkeypatch.setattr(find, "bundled", lambda: folder)
    assert states(loaded(folder)) == {"good": "on"}


def test_ones_own_are_asked_first_by_name_and_may_ask_to_be_first(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "bundled").mkdir()
    (tmp_path / "bundled" / "a.py").write_text(GOOD)
    monkeypatch.setattr(find, "bundled", lambda: tmp_path / "bundled")
    first = GOOD.replace("@hookimpl", "@hookimpl(tryfirst=True)")
    last = GOOD.replace("@hookimpl", "@hookimpl(trylast=True)")
    host = loaded(write(c=GOOD, b=last, e=first, d=GOOD))
    assert host.implementers("choose_person") == ["e", "c", "d", "a", "b"]


def test_blocked(write: Callable[..., Path]) -> None:
    host = loaded(write(good=GOOD, bad="1/0"), blocked=["bad", "godo"])
    assert states(host) == {"good": "on", "bad": "blocked"}
    assert host.problems() == ["plugins.block: godo: there is no plugin godo; did you mean good?"]


def test_no_folder_is_no_fault(tmp_path: Path) -> None:
    assert loaded(tmp_path / "missing").listing() == []


def test_bundled_plugins_load_and_are_harmless_without_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    host = PluginHost()
    host.load()
    places = {listed.name: (listed.state, listed.place) for listed in host.listing()}
    wanted = dict.fromkeys((file.stem for file in (Path(__file__).parents[2] / "plugins").glob("*.py")), "on")
    wanted |= dict.fromkeys(
        ("coupons", "document_folder", "quiet_domains", "sms"), "idle"
    )  # they need to be told something
    assert places == {name: (state, "bundled") for name, state in wanted.items()}
    assert not host.has("veto_link")
    assert host.problems() == []


def test_in_an_installed_package_the_bundled_ones_lie_inside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.undo()
    package = tmp_path / "site-packages" / "mailcrm"
    (package / "bundled_plugins").mkdir(parents=True)
    (package.parent / "plugins").mkdir()  # somebody else's package
    monkeypatch.setattr(find, "_PACKAGE", package)
    assert find.bundled() == package / "bundled_plugins"
    (package / "bundled_plugins").rmdir()
    assert find.bundled() is None


def test_refused_is_raised_to_who_adds_one_plugin() -> None:
    with pytest.raises(Refused, match=r"the plugin plugin \(given\) is left out: it implements no hook"):
        testing.host(object())
