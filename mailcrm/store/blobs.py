"""Content-addressed files: attachments and quarantined mail, each stored once under its SHA-256."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import tempfile
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

from mailcrm.errors import NotFound

_NAME = re.compile(r"[0-9a-f]{64}")
_AT_ONCE = 8
_SMALL = 1 << 20  # bytes up to which a file is put together in memory


class Blobs:
    """A folder of files named by content. Safe for several processes.

    A transaction names a blob only after ``put`` and ``settle`` returned, so a crash leaves at most an unnamed file,
    perhaps a short one that is written anew when its content comes again; never a row without its bytes.

    Args:
        folder: made with mode 0700 if missing.
        durable: have ``settle`` do its work; without it blobs survive a kill, but not a power cut.
    """

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        self.folder = folder
        self.durable = durable
        self._ahead: set[str] = set()  # settled, and not asked for since
        self._settlers = ThreadPoolExecutor(_AT_ONCE, "settle")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def path(self, sha256: str) -> Path:
        """Where the blob lies, whether or not it exists. ``sha256`` is 64 hex digits, else NotFound is raised."""
        if not _NAME.fullmatch(sha256):
            raise NotFound(f"{sha256!r} is not the name of a stored file")
        return self.folder / sha256[:2] / sha256

    def put(self, content: bytes | Iterable[bytes]) -> tuple[str, int]:
        """Store bytes, given whole or in pieces.

        Returns:
            Their SHA-256 in hex and their size in bytes.
        """
        pieces = iter((content,) if isinstance(content, bytes) else content)
        begun: list[bytes] = []
        size = 0
        for piece in pieces:
            begun.append(piece)
            size += len(piece)
            if size > _SMALL:
                return self._put_long(chain(begun, pieces))
        whole = b"".join(begun)
        name = hashlib.sha256(whole).hexdigest()
        self._put_whole(name, whole)
        return name, size

    def _put_whole(self, name: str, content: bytes) -> None:
        """Straight into its place, which costs half as much as a rename; one cut short is told by its size."""
        target = f"{self.folder}/{name[:2]}/{name}"
        try:
            _write_new(target, content)
        except FileNotFoundError:  # the first one with this beginning
            self.path(name).parent.mkdir(mode=0o700, exist_ok=True)
            self._put_whole(name, content)
        except FileExistsError:
            if os.stat(target).st_size != len(content):  # noqa: PTH116 - once for every attachment
                self._put_long((content,))

    def _put_long(self, pieces: Iterable[bytes]) -> tuple[str, int]:
        """Piece by piece, since it need not fit into memory; its name is known at the end."""
        digest, size = hashlib.sha256(), 0
        handle, temporary = tempfile.mkstemp(dir=self.folder, prefix=".new-")
        try:
            with os.fdopen(handle, "wb") as file:
                for piece in pieces:
                    digest.update(piece)
                    size += file.write(piece)
            target = self.path(digest.hexdigest())
            target.parent.mkdir(mode=0o700, exist_ok=True)
            Path(temporary).replace(target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        return target.name, size

    def settle_ahead(self, names: Collection[str]) -> None:
        """``settle`` while others are busy: the next ``settle`` of these names finds it done."""
        self.settle(names)
        self._ahead.update(names)

    def settle(self, names: Collection[str]) -> None:
        """Have blobs survive a power cut, by fsync; many at once, since the disk then does them together."""
        paths = [f"{self.folder}/{name[:2]}/{name}" for name in names if name not in self._ahead]
        self._ahead.difference_update(names)
        if not self.durable or not paths:
            return
        lanes = [paths[start::_AT_ONCE] for start in range(min(_AT_ONCE, len(paths)))]
        if len(lanes) == 1:
            _settle(paths)
            return
        list(self._settlers.map(_settle, lanes))

    def read(self, sha256: str) -> bytes:
        """The bytes. Raises NotFound if there is no such blob."""
        try:
            return self.path(sha256).read_bytes()
        except FileNotFoundError:
            raise NotFound(f"no stored file {sha256}; was it erased, or data_dir moved?") from None

    def remove(self, sha256: str) -> None:
        """Delete a blob that nothing names any more; nothing happens if there is none."""
        self.path(sha256).unlink(missing_ok=True)


def _write_new(path: str, content: bytes) -> None:
    """Raises FileExistsError if there is one."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(handle, rest) :]
    finally:
        os.close(handle)


def _settle(paths: Iterable[str]) -> None:
    for path in paths:
        with contextlib.suppress(FileNotFoundError):  # erased meanwhile
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


def local_secret(folder: Path) -> bytes:
    """The 32 random bytes kept in ``folder/secret``, made on first use; for installations that configure none."""
    path = folder / "secret"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return bytes.fromhex(path.read_text(encoding="ascii"))
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(32))
    return bytes.fromhex(path.read_text(encoding="ascii"))
