"""Many rows as one parameter, for PostgreSQL: its driver writes arrays of text slowly, and JSON is read quickly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

_encode = msgspec.json.Encoder().encode


def rowset(columns: Mapping[str, str], rows: Iterable[Sequence[Any]]) -> tuple[str, str]:
    """What stands for a table of these rows behind ``FROM``, and its one parameter.

    Args:
        columns: the types by name, in the order of each row's values.
        rows: a ``msgspec.Raw`` is JSON that is already written: a ``text`` column gets it as it is.
    """
    return _table(tuple(columns.items())), _encode([dict(zip(columns, row, strict=True)) for row in rows]).decode()


@lru_cache(20)
def _table(columns: tuple[tuple[str, str], ...]) -> str:
    names = ", ".join(f"{name} {kind}" for name, kind in columns)
    return f"json_to_recordset(%s::json) AS v({names})"
