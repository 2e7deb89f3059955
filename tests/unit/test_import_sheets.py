"""Reading CSV, XLS and XLSX as they come."""

from __future__ import annotations

import zipfile
from datetime import date
from pathlib import Path

import openpyxl
import pytest
import xlwt

from mailcrm.app.sheets import Ragged, find_separator, open_sheet
from mailcrm.errors import Permanent

TEXT = "Nazwa;E-mail\nŻółć Gęślą Jaźń;a@b.example\nMałgorzata Świątek;m@b.example\nStraße;s@b.example\n"


def rows(path: Path, **options: str) -> list[object]:
    return [row if isinstance(row, Ragged) else row[1] for row in open_sheet(path, **options).after(0)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1250", "iso8859_2"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_polish_comes_out_right(tmp_path: Path, encoding: str, newline: str) -> None:  # DATA-7
    file = tmp_path / "a.csv"
    file.write_bytes(TEXT.replace("\n", newline).encode(encoding))
    assert rows(file)[1:] == [
        ["Żółć Gęślą Jaźń", "a@b.example"],
        ["Małgorzata Świątek", "m@b.example"],
        ["Straße", "s@b.example"],
    ]


@pytest.mark.parametrize("encoding", ["cp1250", "iso8859_2"])
@pytest.mark.parametrize("word", ["Łukasz", "Śliwa", "Jóźwiak", "Gąska", "Wałęsa", "żona", "Kraków"])
def test_one_polish_word_is_enough(tmp_path: Path, encoding: str, word: str) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(f"Name,Email\n{word},a@b.example\n".encode(encoding))
    assert rows(file)[1] == [word, "a@b.example"]


def test_western_text(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes("Name,City\nJosé Peña,São Paulo\nFrançois Dupont,Orléans\n".encode("cp1252"))
    assert rows(file)[1:] == [["José Peña", "São Paulo"], ["François Dupont", "Orléans"]]


def test_czech_text(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes("Jméno,Město\nŘehoř Dvořák,Plzeň\nJiří Kučera,Hořice\n".encode("cp1250"))
    assert rows(file)[1:] == [["Řehoř Dvořák", "Plzeň"], ["Jiří Kučera", "Hořice"]]


def test_a_stray_byte_spoils_its_row_alone(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    lines = ["Name,City", *(f"Łukasz {n},Łódź" for n in range(30))]
    file.write_bytes("\n".join(lines).encode() + b"\nZ\xb3y,x\n")
    found = rows(file)
    assert found[1] == ["Łukasz 0", "Łódź"]
    assert found[-1] == ["Z\udcb3y", "x"]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separators(tmp_path: Path, separator: str) -> None:
    file = tmp_path / "a.csv"
    text = f'Name{separator}Note\nJan{separator}"a, b; c | d{separator}\n""x"""\n'
    file.write_text(text)
    assert rows(file) == [["Name", "Note"], ["Jan", f'a, b; c | d{separator}\n"x"']]


def test_a_single_column_has_no_separator() -> None:
    assert find_separator("Name\nJan Kowalski\nAnna Nowak\n") == ","


def test_excel_says_its_separator_itself(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("sep=;\nName;Note\nJan;a,b,c\n")
    assert rows(file) == [["Name", "Note"], ["Jan", "a,b,c"]]


def test_lines_are_numbered_where_they_begin(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text('\n\nName,Note\nJan,"one\ntwo"\n,\nEwa,x\n')
    assert [row[0] for row in open_sheet(file).after(0) if not isinstance(row, Ragged)] == [3, 4, 7]


def test_an_open_quotation_mark_is_told_and_does_not_end_the_reading(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text('Name,Note\nJan,"' + "x" * 140_000 + "\nEwa,y\n")
    found = rows(file)
    assert any(isinstance(row, Ragged) and row.line == 2 and "quotation mark" in row.reason for row in found)
    assert found[-1] == ["Ewa", "y"]


def workbook(path: Path) -> Path:
    book = openpyxl.Workbook()
    first = book.active
    for row in ([], [], ["Name", "When", "Value", "Formula"], ["Żółć", date(2025, 1, 31), 12.5, "=1+1"]):
        first.append(row)
    book.create_sheet("Inne").append(["Coś"])
    book.save(path)
    return path


def test_xlsx_with_empty_rows_on_top_and_real_dates(tmp_path: Path) -> None:
    file = workbook(tmp_path / "a.xlsx")
    assert rows(file) == [["Name", "When", "Value", "Formula"], ["Żółć", date(2025, 1, 31), 12.5, ""]]
    assert [row[0] for row in open_sheet(file).sample] == [3, 4]
    assert rows(file, sheet="Inne") == [["Coś"]]
    with pytest.raises(Permanent, match="does not have the sheet 'X'; it has: Sheet, Inne"):
        open_sheet(file, sheet="X")


def test_xls(tmp_path: Path) -> None:
    book = xlwt.Workbook()
    sheet = book.add_sheet("Dane")
    style = xlwt.easyxf(num_format_str="YYYY-MM-DD")
    for column, cell in enumerate(["Nazwa", "Od"]):
        sheet.write(1, column, cell)
    sheet.write(2, 0, "Gęś")
    sheet.write(2, 1, date(2025, 1, 31), style)
    book.save(str(tmp_path / "a.xls"))
    assert rows(tmp_path / "a.xls") == [["Nazwa", "Od"], ["Gęś", date(2025, 1, 31)]]
    assert open_sheet(tmp_path / "a.xls").sample[0][0] == 2


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"PK\x03\x04rest", "name it a.xlsx"),
        ("a.csv", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1rest", "name it a.xls"),
        ("a.csv", b"%PDF-1.7", "a PDF"),
        ("a.csv", b"<html><table>", "web page"),
        ("a.csv", b"Name" + bytes(range(6)) * 50, "no text"),
        ("a.csv", b"Name\n" + bytes(10), "no text"),
        ("a.xls", b"<table><tr><td>x", "web page"),
        ("a.xls", b"Name;Email\n", "name it a.csv"),
        ("a.xlsx", b"PK\x03\x04broken", "no readable workbook"),
        ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "no readable workbook"),
    ],
)
def test_a_file_that_is_not_what_its_name_says(tmp_path: Path, name: str, content: bytes, told: str) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(Permanent, match=told):
        open_sheet(file)


def test_ten_thousand_columns_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text(",".join(f"c{n}" for n in range(10_000)) + "\n")
    with pytest.raises(Permanent, match="10,000 columns"):
        open_sheet(file)


def test_a_cell_far_out_is_refused_before_it_takes_all_memory(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active["A1"] = "Name"
    book.active["XFD1048576"] = "x"
    book.save(tmp_path / "a.xlsx")
    with pytest.raises(Permanent, match="17,179,869,184 cells"):
        open_sheet(tmp_path / "a.xlsx")


def test_a_workbook_that_unpacks_to_gigabytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailcrm.app.workbook._MAX_UNPACKED", 1_000_000)
    with zipfile.ZipFile(tmp_path / "a.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/sharedStrings.xml", bytes(1_100_000))
    with pytest.raises(Permanent, match="unpacks to more than"):
        open_sheet(tmp_path / "a.xlsx")


def test_a_workbook_that_ends_its_reader(tmp_path: Path) -> None:
    """The reference is written so that the look ahead misses it; calamine then asks for half a terabyte."""
    book = openpyxl.Workbook()
    book.active["A1"] = "Name"
    book.active["B2"] = "x"
    book.save(tmp_path / "a.xlsx")
    with zipfile.ZipFile(tmp_path / "a.xlsx") as good, zipfile.ZipFile(tmp_path / "b.xlsx", "w") as bad:
        for name in good.namelist():
            bad.writestr(name, good.read(name).replace(b' r="B2"', b' r = "XFD1048576"'))
    with pytest.raises(Permanent, match="damaged, or needs too much memory"):
        open_sheet(tmp_path / "b.xlsx")
