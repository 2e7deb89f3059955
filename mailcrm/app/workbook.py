"""XLS and XLSX, read by calamine in a process of their own, which a hostile file may end."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator, Mapping
from datetime import date, datetime, time
from pathlib import Path
from typing import IO, Any

import msgspec

from mailcrm.core.cells import Cell
from mailcrm.errors import Permanent

MAX_CELLS = 16_000_000  # 32 bytes each once read
_MAX_UNPACKED = 2_000_000_000  # bytes of XML
_REFERENCE = re.compile(rb"""\sr=["']([A-Z]{1,3})([0-9]{1,7})["']""")
_BROKEN = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, ValueError, OSError, EOFError)
_TIMES: Mapping[str, Callable[[str], Cell]] = {
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "hours": str,
}


def open_workbook(path: Path, sheet: str | None) -> tuple[str, Iterator[list[Cell]]]:
    """Open a workbook.

    Args:
        sheet: the name of the sheet; default: the first.

    Returns:
        The sheet's name, and its rows from the first on, empty ones too.

    Raises:
        Permanent: it can't be read, lacks that sheet, is protected, or beyond the bounds.
    """
    _refuse_bombs(path)
    command = [sys.executable, "-m", "mailcrm.app.workbook_child", str(path.absolute())]
    child = subprocess.Popen(  # noqa: S603 - our own module
        [*command, sheet] if sheet is not None else command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    frames = _frames(path, child)
    first = next(frames)
    if "error" in first:
        frames.close()
        raise Permanent(f"{path} {first['error']}")
    return first["sheet"], _rows(frames)


def _rows(frames: Iterator[Any]) -> Iterator[list[Cell]]:
    for frame in frames:
        for row in frame:
            yield [_TIMES[cell[0]](cell[1]) if isinstance(cell, list) else cell for cell in row]


def _frames(path: Path, child: subprocess.Popen[bytes]) -> Generator[Any, None, None]:
    """What the child writes, up to the empty frame; it is ended if nobody listens any more."""
    decode = msgspec.msgpack.Decoder().decode
    with child:
        try:
            while frame := decode(_read(path, child.stdout)):
                yield frame
        finally:
            child.kill()


def _read(path: Path, pipe: IO[bytes] | None) -> bytes:
    """One frame. Raises Permanent if the child has ended before it."""
    if pipe is not None:
        size = int.from_bytes(pipe.read(4), "big")
        content = pipe.read(size)
        if size and len(content) == size:
            return content
    raise Permanent(f"{path} can't be read: it is damaged, or needs too much memory; save it anew as XLSX or CSV")


def _refuse_bombs(path: Path) -> None:
    """A cell far out makes calamine reserve the whole rectangle: look before, so that the error can say so.

    Raises:
        Permanent: the workbook claims more cells or bytes than ``MAX_CELLS`` and ``_MAX_UNPACKED``.
    """
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            parts = [info for info in archive.infolist() if "sheet" in info.filename and info.filename.endswith(".xml")]
            if sum(info.file_size for info in archive.infolist()) > _MAX_UNPACKED:
                raise Permanent(f"{path} unpacks to more than {_MAX_UNPACKED // 10**6} MB; split it, or use CSV")
            for info in parts:
                if (cells := _extent(archive, info)) > MAX_CELLS:
                    raise Permanent(
                        f"{path}: {info.filename} spans {cells:,} cells, at most {MAX_CELLS:,}; "
                        "remove stray cells far below or right of the data, or use CSV"
                    )
    except _BROKEN as error:
        raise Permanent(f"{path} is no readable workbook ({error}); save it anew as XLSX or CSV") from None


def _extent(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> int:
    """The rectangle that holds every cell that the part refers to, in cells."""
    rows, names = 0, set[bytes]()
    with archive.open(info) as part:
        rest = b""
        while chunk := part.read(1 << 20):
            for match in _REFERENCE.finditer(rest + chunk):
                rows = max(rows, int(match[2]))
                names.add(match[1])
            rest = chunk[-32:]
    return rows * max(map(_column, names), default=0)


def _column(name: bytes) -> int:
    """A -> 1, Z -> 26, AA -> 27."""
    number = 0
    for letter in name:
        number = number * 26 + letter - 64
    return number
