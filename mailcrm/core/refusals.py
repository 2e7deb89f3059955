"""Refusals gathered, so that who asked learns of everything that is wrong at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from mailcrm.errors import Refused

T = TypeVar("T")


class Refusals:
    """What was refused so far."""

    def __init__(self) -> None:
        self._said: list[str] = []

    def of(self, make: Callable[[], T]) -> T | None:
        """What ``make`` gives; None if it refuses, which is kept."""
        try:
            return make()
        except Refused as error:
            self._said.append(str(error))
            return None

    def __bool__(self) -> bool:
        return bool(self._said)

    def together(self) -> Refused:
        """All of it as one, to be raised."""
        return Refused("; also: ".join(dict.fromkeys(self._said)))
