"""A thread that runs a plugin's code, so that a hang in it costs the caller only a time limit."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future, wait
from queue import SimpleQueue
from typing import TypeAlias

_Call: TypeAlias = "tuple[Callable[[], object], Future[object]] | None"


class Hung(Exception):
    """The call was not over in time; its thread is given up, and the lane with it."""


class Ended(Exception):
    """The code tried to end the program (``sys.exit``, ``KeyboardInterrupt``…); the text names how."""


class Lane:
    """One daemon thread, started at the first call, that makes calls one after another.

    The thread ends when the lane is garbage, or as soon as a hung call returns after all.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._turn = threading.Lock()
        self._calls: SimpleQueue[_Call] | None = None

    def call(self, function: Callable[[], object], seconds: float) -> object:
        """Run ``function`` on the thread; what it returns or raises is returned or raised here.

        Args:
            seconds: how long the call itself may take; waiting for one's turn does not count.

        Raises:
            Hung: it took longer. The lane starts a new thread at the next call.
            Ended: it raised what is no Exception.
        """
        done: Future[object] = Future()
        with self._turn:
            if self._calls is None:
                self._calls = self._start()
            self._calls.put((function, done))
            if not wait([done], timeout=seconds).done:
                self._calls.put(None)
                self._calls = None
                raise Hung
        return done.result()

    def _start(self) -> SimpleQueue[_Call]:
        calls: SimpleQueue[_Call] = SimpleQueue()
        threading.Thread(target=_work, args=(calls,), name=self._name, daemon=True).start()
        weakref.finalize(self, calls.put, None)
        return calls


def _work(calls: SimpleQueue[_Call]) -> None:
    while (call := calls.get()) is not None:
        function, done = call
        try:
            done.set_result(function())
        except Exception as error:  # noqa: BLE001 - handed to the caller
            done.set_exception(error)
        except BaseException as error:  # noqa: BLE001 - must not reach the caller as it is: it would end him
            done.set_exception(Ended(type(error).__name__))
        del call, function, done  # keep nothing alive while waiting
