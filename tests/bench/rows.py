"""What one benchmark says: a figure, whom it is compared with, and what is demanded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

Scale = Literal["small", "full"]


class Row(msgspec.Struct, frozen=True):
    """One line of the table.

    Args:
        name: what is measured.
        ours: our figure with its unit.
        peer: the peer's name and figure, or what the value is measured against.
        value: the number that is judged: mostly a ratio.
        target: the bound.
        better: whether ``value`` must be at least ("more") or at most ("less") the target.
        unit: of ``value`` and ``target``.
    """

    name: str
    ours: str
    peer: str
    value: float
    target: float
    better: Literal["more", "less"] = "more"
    unit: str = "x"

    @property
    def met(self) -> bool:
        """Whether the demand is fulfilled."""
        return self.value >= self.target if self.better == "more" else self.value <= self.target


def quantile(values: Iterable[float], share: float) -> float:
    """The value that ``share`` (0 to 1) of the values do not exceed. Raises ValueError without values."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("nothing was measured")
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def emit(rows: Iterable[Row]) -> None:
    """Print rows for the parent process, one JSON object a line."""
    for row in rows:
        print(msgspec.json.encode(row).decode(), flush=True)
