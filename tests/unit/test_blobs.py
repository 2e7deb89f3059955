"""Content-addressed files: whole once named, whatever was left behind before."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from mailcrm.errors import NotFound
from mailcrm.store.blobs import Blobs

LONG = b"piece of a large file " * 100_000


@pytest.mark.parametrize("content", [b"", b"offer", LONG], ids=["empty", "small", "large"])
def test_what_is_put_is_read_again_and_kept_once(tmp_path: Path, content: bytes) -> None:
    blobs = Blobs(tmp_path / "files")
    name, size = blobs.put(content)
    assert (name, size) == (sha256(content).hexdigest(), len(content))
    assert blobs.put(iter((content[:3], content[3:]))) == (name, size)
    blobs.settle([name])
    assert blobs.read(name) == content
    assert [path.name for path in (tmp_path / "files").rglob("*") if path.is_file()] == [name]


@pytest.mark.parametrize("content", [b"offer", LONG], ids=["small", "large"])
def test_a_file_that_a_killed_process_left_short_is_written_anew(tmp_path: Path, content: bytes) -> None:
    blobs = Blobs(tmp_path / "files")
    path = blobs.path(sha256(content).hexdigest())
    path.parent.mkdir(parents=True)
    path.write_bytes(content[:2])
    name, _ = blobs.put(content)
    assert blobs.read(name) == content
    assert [each for each in (tmp_path / "files").rglob("*") if each.is_file()] == [path]


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "0" * 63, "0" * 64 + "\n"])
def test_only_names_that_we_gave_are_looked_up(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotFound):
        Blobs(tmp_path / "files").read(name)
