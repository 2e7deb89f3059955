"""A file that can't be read is told with the reason once, and where."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailcrm.app.text_file import text_of
from mailcrm.errors import Refused


def test_what_can_not_be_read_is_told_with_its_mend(tmp_path: Path) -> None:
    file = tmp_path / "flow.toml"
    with pytest.raises(Refused, match=r"^can't read .*flow\.toml: No such file or directory; name another file$"):
        text_of(file)
    file.write_bytes("kind = 'rule'\nname = 'Zażółć'\n".encode("cp1250"))
    with pytest.raises(Refused, match=r"flow\.toml: line 2 is no UTF-8; save it as UTF-8$"):
        text_of(file)
    file.write_text("name = 'Zażółć'\n", encoding="utf-8")
    assert text_of(file) == "name = 'Zażółć'\n"
