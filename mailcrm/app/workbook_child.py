"""The process that reads a workbook: a hostile one may end it, but not the program.

Run as ``python -m mailcrm.app.workbook_child FILE [SHEET]``. Writes MessagePack frames, each after its length in four
bytes: first ``{"sheet": name}`` or ``{"error": text}``, then lists of rows, then an empty list.
"""

from __future__ import annotations

import resource
import sys
from datetime import date, datetime, time, timedelta
from itertools import islice
from typing import Any, BinaryIO

import msgspec
from python_calamine import CalamineError, CalamineWorkbook, PasswordError, WorksheetNotFound

MEMORY = 3 << 30  # bytes of address space
SECONDS = 600  # of processor time
FRAME = 500  # rows


def main(arguments: list[str], out: BinaryIO) -> None:
    """Read the workbook named by the first argument; the second is the sheet's name, default the first sheet."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    names: list[str] = []
    try:
        book = CalamineWorkbook.from_path(arguments[0])
        names = book.sheet_names
        sheet = book.get_sheet_by_name(arguments[1]) if len(arguments) > 1 else book.get_sheet_by_index(0)
        rows = sheet.iter_rows()
    except PasswordError:
        _write(out, {"error": "is protected by a password; save it without one"})
    except (WorksheetNotFound, IndexError):
        wanted = f"the sheet {arguments[1]!r}" if len(arguments) > 1 else "a sheet"
        _write(out, {"error": f"does not have {wanted}; it has: {', '.join(names) or 'none'}"})
    except (CalamineError, OSError) as error:
        _write(out, {"error": f"is no readable workbook ({error}); save it anew as XLSX or CSV"})
    else:
        _write(out, {"sheet": sheet.name})
        while frame := [[_plain(cell) for cell in row] for row in islice(rows, FRAME)]:
            _write(out, frame)
        _write(out, [])


def _plain(cell: object) -> object:
    """What MessagePack holds; times become ``[kind, ISO 8601]``."""
    match cell:
        case datetime():
            return ["datetime", cell.isoformat()]
        case date():
            return ["date", cell.isoformat()]
        case time():
            return ["time", cell.isoformat()]
        case timedelta():
            return ["hours", str(cell)]
        case _:
            return cell


def _write(out: BinaryIO, frame: Any) -> None:
    content = msgspec.msgpack.encode(frame)
    out.write(len(content).to_bytes(4, "big") + content)
    out.flush()


if __name__ == "__main__":
    main(sys.argv[1:], sys.stdout.buffer)
