"""Sheets of paper (A4) that documents are written on: text in its place, lines of it, rules, columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import Literal

from fpdf import FPDF
from fpdf.fonts import TTFFont

from mailcrm.app.document_fonts import Face, Fonts
from mailcrm.core.breaking import lines, printable

LEFT, RIGHT, TOP, BOTTOM = 18.0, 192.0, 16.0, 275.0  # millimetres
WIDTH = RIGHT - LEFT
GAP = 2.0  # on each side of a column's text
INK, PALE, RULE, SHADE = (28, 32, 38), (104, 112, 122), (206, 211, 217), (243, 245, 247)
_HAIR = 0.01  # by which sums of widths may be off
_FAMILY = "document"
_MM = 25.4 / 72 / 1000  # of a thousandth of a point


class Sheet(FPDF):
    """Paper with a pen. ``y`` is where the next line begins; sizes are in points, all else in millimetres.

    Args:
        texts: all that will be written: a font that has it all, and no more than need be, is put in.
        running: heads each page but the first; ``foot`` ends each page, beside ``page`` and its number.
    """

    def __init__(self, fonts: Fonts, texts: Iterable[str], running: str, foot: str, page: str) -> None:
        super().__init__()
        self._running, self._foot, self._page = running, foot, page
        self._known = fonts.regular.known & fonts.bold.known
        used = {ord(each) for text in (*texts, running, foot, page) for each in printable(text, self._known)} - {10}
        self._widths = {False: self._face("", fonts.regular, used), True: self._face("B", fonts.bold, used)}
        self.c_margin = 0.0
        self.set_auto_page_break(False)
        self.add_page()

    def header(self) -> None:
        """Of a page: nothing on the first, whose own head says more."""
        self.set_y(TOP)
        if self.page_no() > 1:
            self.write_line(self._running, LEFT, WIDTH, 8, pale=True)
            self.set_y(TOP + 7)

    def footer(self) -> None:
        """Of a page: whose it is, and which of how many."""
        self.set_y(283)
        self.write_line(f"{self._page} {self.page_no()}/{{nb}}", LEFT, 40, 7.5, pale=True)
        self.write_line(self._foot, LEFT + 40, WIDTH - 40, 7.5, align="R", pale=True)

    def down(self, by: float) -> None:
        """Go on further down."""
        self.set_y(self.get_y() + by)

    def room(self, high: float) -> None:
        """Go on where so much has room: here, or on a new page."""
        if self.get_y() + high > BOTTOM:
            self.add_page()

    def write_line(
        self,
        text: str,
        left: float,
        width: float,
        size: float,
        *,
        align: Literal["L", "R"] = "L",
        bold: bool = False,
        pale: bool = False,
    ) -> None:
        """One line; what is too long for it is made smaller, and cut off where that would make it too small to read."""
        shown = printable(text, self._known).replace("\n", " ")
        wide = self.measure(shown, size, bold=bold)
        if wide > width:
            size = max(size * width / wide, size * 0.15)
            shown = next(lines(shown, width + _HAIR, lambda part: self.measure(part, size, bold=bold)))
        self.set_font(_FAMILY, "B" if bold else "", size)
        self.set_text_color(*(PALE if pale else INK))
        self.set_x(left)
        self.cell(width, size * 0.42, shown, align=align)

    def block(self, text: str, left: float, width: float, size: float, *, bold: bool = False) -> None:
        """Lines of text, one under the other, on further pages if need be; then ``y`` is below them."""
        for line in self.broken(text, width, size, bold=bold):
            self.room(size * 0.5)
            self.write_line(line, left, width, size, bold=bold)
            self.down(size * 0.5)

    def label(self, text: str, left: float, width: float) -> None:
        """What stands below."""
        self.write_line(text, left, width, 7.5, pale=True)
        self.down(4)

    def rule(self, thick: float, color: tuple[int, int, int], left: float = LEFT) -> None:
        """A line from there to the right edge."""
        self.set_draw_color(*color)
        self.set_line_width(thick)
        self.line(left, self.get_y(), RIGHT, self.get_y())

    def cells(
        self,
        row: Sequence[str],
        widths: Sequence[float],
        size: float,
        *,
        right: frozenset[int],
        bold: bool = False,
        pale: bool = False,
    ) -> None:
        """A row of a table that ends at the right edge; the columns ``right`` are set to their right."""
        left = RIGHT - sum(widths)
        for at, (text, width) in enumerate(zip(row, widths, strict=False)):
            if text:
                align: Literal["L", "R"] = "R" if at in right else "L"
                self.write_line(text, left + GAP, width - 2 * GAP, size, align=align, bold=bold, pale=pale)
            left += width

    def columns(self, rows: Iterable[Sequence[str]], size: float) -> list[float]:
        """How wide columns are in which these rows stand, even in bold."""
        return [
            2 * GAP + max(self.measure(printable(text, self._known), size, bold=True) for text in set(column)) + 0.1
            for column in zip(*rows, strict=True)
        ]

    def broken(self, text: str, width: float, size: float, *, bold: bool = False) -> Iterator[str]:
        """A text in lines of that width."""
        return lines(printable(text, self._known), width, lambda part: self.measure(part, size, bold=bold))

    def measure(self, text: str, size: float, *, bold: bool) -> float:
        """How wide a printable text is."""
        return sum(map(self._widths[bold].__getitem__, map(ord, text))) * size * _MM

    def _face(self, style: Literal["", "B"], face: Face, used: Set[int]) -> Mapping[int, float]:
        """Load one weight; gives the widths of its characters."""
        self.add_font(_FAMILY, style, face.file(used))
        font = self.fonts[f"{_FAMILY}{style}"]
        assert isinstance(font, TTFFont)
        font.ttfont.recalcBBoxes = False  # glyphs are copied as they are
        return font.cw
