"""The font that documents are set in: Lato, which has Polish letters, or one's own.

A font is made small once: of three thousand glyphs a document in Polish or English needs a hundred, and to read it and
to choose from it costs a multiple of all else. The small ones are kept beside the attachments.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Set
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path

from mailcrm.config import Config
from mailcrm.errors import Refused

_EDITION = "1"  # another one where the small fonts are made otherwise
_LAYOUT = frozenset({"GDEF", "GPOS", "GSUB", "DSIG", "meta", "hdmx", "kern"})
_SIGNS = frozenset(map(ord, "\u00a0§©«®°±²³µ·»¼½¾×‐–—‘’‚“”„•…€−□"))
_NEAR = frozenset(range(0x20, 0x7F)) | _SIGNS | frozenset(map(ord, "ĄĆĘŁŃÓŚŹŻąćęłńóśźż"))
_LATIN = _NEAR | frozenset(range(0xA0, 0x180))


@dataclass(frozen=True, slots=True)
class Face:
    """One weight of a font.

    Args:
        whole: the file as it came; ``latin`` and ``near`` have the letters of Europe, and of Polish and English, alone.
        known: the characters that ``whole`` has.
    """

    whole: Path
    latin: Path
    near: Path
    known: frozenset[int]

    def file(self, used: Set[int]) -> Path:
        """The smallest file for a document with these characters; which one it is goes by them alone."""
        return self.near if used <= _NEAR else self.latin if used <= _LATIN else self.whole


@dataclass(frozen=True, slots=True)
class Fonts:
    """Both weights."""

    regular: Face
    bold: Face


def fonts(config: Config) -> Fonts:
    """The fonts of documents, as configured.

    Raises:
        Refused: a file of ``documents`` can't be read, or is no font that may be put into a document.
    """
    given, folder = config.documents, config.data / "fonts"
    if given.font is None:
        import fontpkg_lato

        files = fontpkg_lato.ROOT / "files"
        return Fonts(_face(files / "Lato-Regular.ttf", folder), _face(files / "Lato-Bold.ttf", folder))
    return Fonts(_own(config.path(given.font), folder), _own(config.path(given.font_bold or given.font), folder))


def _own(path: Path, folder: Path) -> Face:
    from fontTools.ttLib import TTLibError

    try:
        return _face(path, folder)
    except (OSError, TTLibError, ValueError, KeyError, AssertionError) as error:
        raise Refused(f"documents.font: {path} can't be used: {error}; give a TrueType font (.ttf)") from None


@lru_cache(4)
def _face(path: Path, folder: Path) -> Face:
    from fontTools.ttLib import TTFont

    content = path.read_bytes()
    name = hashlib.sha256(f"{_EDITION}:".encode() + content).hexdigest()[:32]
    latin, near = folder / f"{name}.latin.ttf", folder / f"{name}.ttf"
    with TTFont(BytesIO(content), lazy=True) as font:
        if path.suffix.lower() != ".ttf" or "glyf" not in font:
            raise ValueError("it has no TrueType outlines")
        if "OS/2" in font and font["OS/2"].fsType & 0x2:
            raise ValueError("its licence does not let it be embedded (OS/2 fsType)")
        known = frozenset(font.getBestCmap() or ())
    for small, letters in ((latin, _LATIN), (near, _NEAR)):
        if not small.exists():
            _make_small(path, small, letters)
    return Face(path, latin, near, known)


def _make_small(path: Path, target: Path, letters: Set[int]) -> None:
    """Keep these letters, without hints and tables for layout, which nothing here asks for."""
    from fontTools.subset import Options, Subsetter
    from fontTools.ttLib import TTFont

    options = Options(notdef_outline=True, recommended_glyphs=True, hinting=False, layout_features=[])
    with TTFont(path, recalcTimestamp=False, recalcBBoxes=False) as font:
        for table in _LAYOUT.intersection(font.keys()):
            del font[table]  # before they are looked into, which takes ten times as long as all else
        chooser = Subsetter(options)
        chooser.populate(unicodes=letters)
        chooser.subset(font)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".new-", delete=False) as file:
            font.save(file)
        Path(file.name).replace(target)
