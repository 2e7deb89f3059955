"""One plugin's failure, hang or nonsense harms neither us nor another plugin."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from mailcrm import Event, Message, Outgoing, SenderConsent, hookimpl, testing
from mailcrm.plugins import Listed, PluginFailed, PluginHost
from mailcrm.plugins.find import Found, Place

LIMIT = 0.2


def plugin(hook: str, do: Callable[[], Any]) -> object:
    """A plugin whose only hook does ``do``."""

    @hookimpl(specname=hook)
    def implementation() -> Any:
        return do()

    return type("Plugin", (), {"implementation": staticmethod(implementation)})()


def host(**plugins: object) -> PluginHost:
    made = PluginHost(answer_seconds=LIMIT, work_seconds=LIMIT)
    for name, one in reversed(plugins.items()):  # who comes last is asked first
        made.add(Found(name, Place.FOLDER, "given", lambda one=one: one))
    return made


def listed(made: PluginHost, name: str) -> Listed:
    return next(one for one in made.listing() if one.name == name)


def raising(error: BaseException) -> Callable[[], Any]:
    def fail() -> Any:
        raise error

    return fail


def generator() -> Any:
    yield 17


async def coroutine() -> int:
    return 17


HANG = threading.Event()  # never set
FAILURES: dict[str, Callable[[], Any]] = {
    "raises": raising(RuntimeError("no\nluck\x1b[2J")),
    "base exception": raising(BaseException("odd")),
    "sys.exit": sys.exit,
    "interrupt": raising(KeyboardInterrupt()),
    "generator exit": raising(GeneratorExit()),
    "cancelled": raising(asyncio.CancelledError()),
    "timeout": raising(TimeoutError()),
    "stop iteration": raising(StopIteration(17)),
    "recursion": lambda: FAILURES["recursion"](),
    "hangs": HANG.wait,
}
NONSENSE: dict[str, Callable[[], Any]] = {
    "text": lambda: "17",
    "truth": lambda: True,
    "fraction": lambda: 17.0,
    "list": lambda: [17],
    "not among them": lambda: 99,
    "generator": generator,
    "object": object,
}
MESSAGE = testing.message()
DEALS = (testing.deal(17), testing.deal(18))


@pytest.mark.parametrize("do", [*FAILURES.values(), *NONSENSE.values()], ids=[*FAILURES, *NONSENSE])
def test_a_choice_that_fails_is_no_answer_and_the_next_is_asked(do: Callable[[], Any]) -> None:
    made = host(bad=plugin("choose_deal", do), good=plugin("choose_deal", lambda: 18))
    assert made.choose("choose_deal", message=MESSAGE, deals=DEALS) == ("good", 18)
    assert listed(made, "bad").failures == 1
    assert listed(made, "bad").error.startswith("choose_deal: ")
    assert listed(made, "bad").error.isprintable()
    assert listed(made, "good").failures == 0


def test_a_plugin_can_not_change_what_the_next_is_asked() -> None:
    class Greedy:
        @hookimpl
        def choose_deal(self, deals: Any) -> None:
            deals.clear()

    made = host(bad=Greedy(), good=plugin("choose_deal", lambda: 18))
    assert made.choose("choose_deal", message=MESSAGE, deals=list(DEALS)) == ("good", 18)


@pytest.mark.parametrize("said", [5, "", "nobody", b"jan@klient.example", ("jan@klient.example",)])
def test_a_person_must_be_an_address(said: object) -> None:
    made = host(bad=plugin("choose_person", lambda: said))
    assert made.choose("choose_person", message=MESSAGE) is None
    assert listed(made, "bad").failures == 1


def test_a_person_is_normalised_and_none_passes_on() -> None:
    made = host(
        silent=plugin("choose_person", lambda: None), good=plugin("choose_person", lambda: " Jan@Klient.Example ")
    )
    assert made.choose("choose_person", message=MESSAGE) == ("good", "jan@klient.example")
    assert listed(made, "silent").failures == 0


VETOES: dict[str, dict[str, Any]] = {
    "veto_link": {"message": MESSAGE},
    "veto_send": {"letter": testing.letter(), "consent": testing.consent()},
}


@pytest.mark.parametrize("hook", VETOES)
@pytest.mark.parametrize("do", FAILURES.values(), ids=FAILURES)
def test_a_veto_that_fails_refuses(do: Callable[[], Any], hook: str) -> None:
    made = host(
        one=plugin(hook, lambda: "private"),
        bad=plugin(hook, do),
        fine=plugin(hook, lambda: None),
        two=plugin(hook, lambda: ""),
    )
    first, failure, last = made.vetoes(hook, **VETOES[hook])
    assert (first, last) == ("one: private", "two: no reason given")
    assert failure.startswith(f"bad failed in {hook}: ")
    assert failure.isprintable()


def test_veto_send_is_told_the_letter_and_its_consent() -> None:
    class Asked:
        @hookimpl
        def veto_send(self, letter: Outgoing, consent: SenderConsent) -> str | None:
            return f"{consent.user} to {letter.recipient} for {letter.flow}: {letter.content[:5]!r}"

    said = testing.host(Asked()).vetoes("veto_send", **VETOES["veto_send"])
    assert said == ["plugin: anna to jan@klient.example for Offers: b'From:'"]


@pytest.mark.parametrize("said", [False, 0, True, ["no"], b"no"])
def test_nonsense_from_a_veto_refuses(said: object) -> None:
    (failure,) = host(bad=plugin("veto_link", lambda: said)).vetoes("veto_link", message=MESSAGE)
    assert "not text" in failure


def test_a_plugin_that_hung_is_switched_off_and_listed() -> None:
    asked: list[int] = []

    def hang() -> None:
        asked.append(1)
        HANG.wait()

    made = host(bad=plugin("choose_deal", hang), good=plugin("choose_deal", lambda: 18))
    for _ in range(3):
        assert made.choose("choose_deal", message=MESSAGE, deals=DEALS) == ("good", 18)
    assert len(asked) == 1
    assert listed(made, "bad").state == "off"
    assert "choose_deal was not over after 0.2 s" in listed(made, "bad").reason
    assert made.is_off("bad")
    assert any("bad" in fault for fault in made.problems())


def test_a_veto_that_is_switched_off_goes_on_refusing() -> None:
    made = host(bad=plugin("veto_link", HANG.wait))
    made.vetoes("veto_link", message=MESSAGE)
    began = time.monotonic()
    (refusal,) = made.vetoes("veto_link", message=MESSAGE)
    assert "switched off" in refusal
    assert time.monotonic() - began < LIMIT


@pytest.mark.parametrize("do", FAILURES.values(), ids=FAILURES)
def test_an_event_reaches_the_others(do: Callable[[], Any]) -> None:
    seen: list[int] = []
    made = host(bad=plugin("on_event", do), good=plugin("on_event", lambda: seen.append(1)))
    with pytest.raises(PluginFailed, match="bad failed in on_event"):
        made.deliver("bad", testing.event())
    made.deliver("good", testing.event())
    assert seen == [1]


def test_events_may_be_handled_by_coroutines() -> None:
    seen: list[int] = []

    class Async:
        @hookimpl
        async def on_event(self, event: Event) -> None:
            await asyncio.sleep(0)
            seen.append(event.id)

    testing.host(Async()).deliver("plugin", testing.event(id=7))
    assert seen == [7]


@pytest.mark.parametrize("error", [ValueError("no"), TimeoutError(), SystemExit(1), asyncio.CancelledError()])
def test_a_coroutine_that_fails(error: BaseException) -> None:
    async def fail() -> None:
        raise error

    made = host(bad=plugin("on_event", fail))
    with pytest.raises(PluginFailed):
        made.deliver("bad", testing.event())
    assert not made.is_off("bad")


def test_a_late_coroutine_is_cancelled_but_one_that_blocks_has_hung() -> None:
    ended: list[str] = []

    async def late() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("cancelled")

    async def block() -> None:
        HANG.wait()

    made = host(late=plugin("on_event", late), blocks=plugin("on_event", block))
    with pytest.raises(PluginFailed, match=r"not over after 0\.2 s"):
        made.deliver("late", testing.event())
    assert ended == ["cancelled"]
    assert not made.is_off("late")
    with pytest.raises(PluginFailed, match=r"not over after 0\.2 s"):
        made.deliver("blocks", testing.event())
    assert made.is_off("blocks")


def test_a_generator_from_an_event_hook_is_a_failure_since_nothing_was_done() -> None:
    with pytest.raises(PluginFailed, match="generator"):
        host(bad=plugin("on_event", generator)).deliver("bad", testing.event())


def test_a_coroutine_from_a_question_is_no_answer() -> None:
    made = host(bad=plugin("choose_deal", coroutine))
    assert made.choose("choose_deal", message=MESSAGE, deals=DEALS) is None
    gc.collect()  # it must have been closed: "was never awaited" is a warning, and warnings are errors


def test_a_failing_start_stops_nothing(tmp_path: Any) -> None:
    started: list[str] = []

    class Good:
        @hookimpl
        def on_start(self, app: testing.App) -> None:
            app.emit("tag.added", {"tag": "vip"}, person="jan@klient.example", key="1")
            started.append("good")

    made = host(bad=plugin("on_start", raising(OSError("no network"))), good=Good())
    app = testing.App(tmp_path)
    made.start(lambda name: app)
    assert started == ["good"]
    assert app.emitted == [("tag.added", {"tag": "vip"}, "jan@klient.example", "1")]
    assert listed(made, "bad").error == "on_start: OSError: no network"


def test_a_slow_event_holds_up_no_question() -> None:
    working, go_on = threading.Event(), threading.Event()

    class Slow:
        @hookimpl
        def on_event(self, event: Event) -> None:
            working.set()
            go_on.wait(10)

        @hookimpl
        def choose_person(self, message: Message) -> str:
            return "jan@klient.example"

    made = testing.host(Slow(), seconds=10)
    thread = threading.Thread(target=made.deliver, args=("plugin", testing.event()))
    thread.start()
    assert working.wait(10)
    assert made.choose("choose_person", message=MESSAGE) == ("plugin", "jan@klient.example")
    go_on.set()
    thread.join(10)


def test_questions_from_many_threads_come_one_at_a_time_and_waiting_is_no_hang() -> None:
    inside: list[int] = []
    most: list[int] = []

    def answer() -> int:
        inside.append(1)
        most.append(len(inside))
        time.sleep(LIMIT / 4)
        inside.pop()
        return 17

    made = host(slow=plugin("choose_deal", answer))
    said: list[object] = []
    threads = [
        threading.Thread(target=lambda: said.append(made.choose("choose_deal", message=MESSAGE, deals=DEALS)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert said == [("slow", 17)] * 8
    assert max(most) == 1


def test_the_first_failure_is_logged_with_its_traceback_the_rest_in_a_line(caplog: pytest.LogCaptureFixture) -> None:
    made = host(bad=plugin("choose_deal", raising(RuntimeError("no"))))
    for _ in range(3):
        made.choose("choose_deal", message=MESSAGE, deals=DEALS)
    assert [record.exc_info is not None for record in caplog.records] == [True, False, False]


def test_time_and_calls_are_counted() -> None:
    made = host(slow=plugin("choose_deal", lambda: time.sleep(0.05)))
    made.choose("choose_deal", message=MESSAGE, deals=DEALS)
    assert listed(made, "slow").calls == 1
    assert 0.05 <= listed(made, "slow").seconds < LIMIT


def test_threads_end_with_their_host() -> None:
    made = host(transient=plugin("choose_deal", lambda: 17))
    made.choose("choose_deal", message=MESSAGE, deals=DEALS)
    names = {"plugin transient: questions", "plugin transient: loading"}
    assert names & {thread.name for thread in threading.enumerate()}
    del made
    gc.collect()
    deadline = time.monotonic() + 10
    while names & {thread.name for thread in threading.enumerate()}:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_hung_plugin_does_not_keep_the_program_from_ending(tmp_path: Any) -> None:
    import subprocess

    code = (
        "import threading\nfrom mailcrm import hookimpl, testing\n"
        "class P:\n    @hookimpl\n    def veto_link(self, message): threading.Event().wait()\n"
        "print(testing.host(P(), seconds=0.1).vetoes('veto_link', message=testing.message()))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, env=os.environ)
    assert done.returncode == 0, done.stderr
    assert "switched off" in done.stdout
