"""Reading CSV files: every fault with its line, column, value and fix."""

import numpy as np
import pytest

import mechopt.study.fit.read as reading
from mechopt.core.errors import InputError
from mechopt.study.fit.read import bundled_data, read_csv


@pytest.fixture
def written(tmp_path):
    def write(content):
        path = tmp_path / "bids.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def faults_of(path, columns=("bid",), **options):
    with pytest.raises(InputError) as caught:
        read_csv(path, columns, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("=1+1", "'=1+1' is a formula, not a number; formulas are not computed"),
        ("@SUM(A1)", "'@SUM(A1)' is a formula"),
        ('"1,234.50"', "'1,234.50' is not a plain number; write it without separators"),
        ("$45.00", "'$45.00' is not a plain number"),
        ("45 EUR", "'45 EUR' is not a number"),
        ('"45,50"', "'45,50' is not a number; write a decimal point"),
        ("twelve", "'twelve' is not a number; write a number such as 12.5"),
        ("1_000", "'1_000' is not a number"),
        ("inf", "'inf' is not a number"),
        ("1e300", "'1e300' is out of range"),
        ("\x1b[31m5", r"'\x1b[31m5' is not a number"),
        ("x" * 1000, f"'{'x' * 56}... is not a number"),
        ("", "is missing; fill it in, or drop rows with missing cells (--drop-missing)"),
        ("N/A", "is missing"),
    ],
    ids=lambda value: value[:12].strip() or "empty",
)
def test_a_cell_that_is_no_number_is_named_by_line_and_column(written, cell, message):
    path = written(f"who,bid\na,1\n\nb,{cell}\nc,3\n")
    assert f"{path}: line 4, column 'bid': {message}" in faults_of(path)


def test_all_columns_are_looked_at_and_many_faults_are_counted(written):
    path = written("bid,n\n" + "x,y\n" * 1000)
    text = faults_of(path, ["bid", "n"])
    assert text.count("is not a number") == 2
    assert text.count("(999 more of this kind: lines 3, 4, 5, 6, 7, ...)") == 2


def test_each_kind_of_fault_has_one_line_with_a_count(written):
    cells = ["x", "", "=A1", '"1,5"', "$3", "y", "", "4", "=B2", "NA"]
    lines = faults_of(
        written("bid\n" + "\n".join(f"{cell},".rstrip(",") or '""' for cell in cells) + "\n")
    ).splitlines()
    assert len(lines) == 5
    by_start = {line.partition("'bid': ")[2].split(";")[0]: line for line in lines}
    assert "'x' is not a number (1 more of this kind: line 7)" in by_start
    assert "is missing (2 more of this kind: lines 8, 11)" in by_start
    assert "'=A1' is a formula, not a number (1 more of this kind: line 10)" in by_start


@pytest.mark.parametrize(
    ("cell", "number"),
    [("$1,234.50", 1234.5), ("1,234,567 $", 1234567), ("-$3", -3), ("$ 7", 7), ("8", 8), ("+$2.5", 2.5)],
)
def test_a_sign_of_currency_that_is_named_is_taken_off(written, cell, number):
    table = read_csv(written(f'bid\n"{cell}"\n1\n'), ["bid"], currency="$")
    assert table.numbers["bid"].tolist() == [number, 1]


@pytest.mark.parametrize("cell", ["1,23", "€5", "$$5", "12,34,567", "1.234,50 $"])
def test_what_is_no_number_with_a_sign_either_stays_a_fault(written, cell):
    assert f"'{cell}' is not a" in faults_of(written(f'bid\n"{cell}"\n'), currency="$")


def test_a_data_frame_is_read_like_the_file_that_it_would_be_written_to(tmp_path):
    import pandas as pd

    frame = pd.DataFrame({"bid": ["$1,000", None, "3.25"], "n": [2, 3, 4], "who": ["a", "b", "c"]}, index=[7, 8, 9])
    table = read_csv(frame, ["bid", "n"], ["who"], drop_missing=True, currency="$")
    frame.to_csv(tmp_path / "frame.csv", index=False)
    same = read_csv(tmp_path / "frame.csv", ["bid", "n"], ["who"], drop_missing=True, currency="$")
    for column in ("bid", "n"):
        assert table.numbers[column].tolist() == same.numbers[column].tolist()
    assert table.texts["who"].tolist() == ["a", "c"] and str(table.dropped[0]).startswith("1 row: a cell is missing")
    with pytest.raises(InputError, match=r"row 1, column 'bid': is missing"):
        read_csv(frame, ["bid"], currency="$")
    with pytest.raises(InputError, match="has no column 'bids'; did you mean 'bid'"):
        read_csv(frame, ["bids"])


def test_missing_cells_are_dropped_only_on_demand_and_counted(written):
    path = written("bid,n\n1,2\n,2\n3,NA\n4,nan\n5,6\n")
    table = read_csv(path, ["bid", "n"], drop_missing=True)
    assert table.numbers["bid"].tolist() == [1, 5]
    assert table.lines.tolist() == [2, 6]
    assert [str(entry) for entry in table.dropped] == ["3 rows: a cell is missing (lines 3, 4, 5)"]


def test_blank_lines_between_rows_are_counted_those_at_the_end_are_none(written):
    table = read_csv(written("bid\n1\n\n2\n\n\n"), ["bid"])
    assert [str(entry) for entry in table.dropped] == ["1 row: the line is blank (line 3)"]


def test_lines_are_those_of_the_file_where_a_cell_holds_a_line_break(written):
    path = written('note,bid\n"two\nlines",1\nplain,x\n')
    assert "line 4, column 'bid': 'x'" in faults_of(path)


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"], ids=["unix", "windows", "old"])
def test_line_endings_and_a_byte_order_mark(written, ending):
    path = written("\ufeff" + ending.join([" bid ,n", " 1.50 ,2", "+2e1,3"]))
    assert read_csv(path, ["bid", "n"]).numbers["bid"].tolist() == [1.5, 20]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty; the first line names the columns"),
        ("\ufeff\n \n", "is empty"),
        ("bid\n", "holds no rows below the line that names the columns"),
        ("bit,n\n1,2\n", "has no column 'bid'; did you mean 'bit'?"),
        ("price,n\n1,2\n", "has no column 'bid'; columns: 'price', 'n'"),
        ("bid;n\n1;2\n", "cells seem to be separated by ';': name it (--delimiter)"),
        ("1,2\n3,4\n", "the first line holds numbers; write the names of the columns above it"),
        ("bid,bid\n1,2\n", "line 1: names column 'bid' 2 times"),
        ("bid,n\n1,2\n3\n4,5,6\n", "line 3: has 1 cells, the first line names 2 columns"),
        ('bid\n"1\n', "is not valid CSV"),
        (b"bid\n1\n2\xe9\n", "line 3: byte 0xe9 is not utf-8-sig text; save it as UTF-8, or name its encoding"),
        ("bid\n1\n2\n".encode("utf-16"), "line 1: byte 0xff is not utf-8-sig text"),
        (b"bid\n1\n\x002\n", "line 3: holds a zero byte"),
        (b"PK\x03\x04rest", "is a workbook or an archive, not a CSV file"),
        ("bid\n" + "1" * 200_000 + "\n", "line 2: is not valid CSV (field larger than field limit"),
    ],
    ids=[
        "empty",
        "mark-only",
        "header-only",
        "near-name",
        "other-names",
        "semicolons",
        "no-header",
        "twice",
        "ragged",
        "open-quote",
        "latin-1",
        "utf-16",
        "zero-byte",
        "workbook",
        "huge-cell",
    ],
)
def test_files_that_are_no_table(written, content, message):
    assert message in faults_of(written(content))


def test_other_encodings_and_delimiters_on_demand(written):
    path = written("bid;Käufer\n1;Jörg\n2;Åsa\n".encode("latin-1"))
    table = read_csv(path, ["bid"], ["Käufer"], encoding="latin-1", delimiter=";")
    assert table.texts["Käufer"].tolist() == ["Jörg", "Åsa"]
    assert "encoding 'klingon' is not known" in faults_of(path, encoding="klingon")
    assert "delimiter 'ab' is not a character" in faults_of(path, encoding="latin-1", delimiter="ab")


def test_texts_that_look_like_formulas_are_texts(written):
    table = read_csv(written("who,bid\n=1+1,1\n@x,2\n"), ["bid"], ["who"])
    assert table.texts["who"].tolist() == ["=1+1", "@x"]


def test_paths_that_are_no_file(tmp_path):
    assert "is a folder; give a CSV file" in faults_of(tmp_path)
    assert "no such file; did you mean the bundled ebay-mario-kart-2009?" in faults_of("ebay-mario-kart")
    assert "no such file; bundled: " in faults_of(tmp_path / "absent.csv")
    assert "cannot read" in faults_of("a\0b")
    assert "cannot read" in faults_of("a" * 5000)


def test_a_file_that_is_too_long_is_not_read(written, monkeypatch):
    monkeypatch.setattr(reading, "MAX_CSV_BYTES", 10)
    assert "at most 10" in faults_of(written("bid\n" + "1\n" * 20))


def test_bundled_data_are_read_by_name():
    assert read_csv("ebay-mario-kart-2009", ["bids"]).numbers["bids"].size == 143
    assert bundled_data()["ebay-mario-kart-2009"].is_file()


def test_a_million_rows_are_read(written):
    values = np.random.default_rng(0).lognormal(size=10**6).round(2).tolist()
    path = written("who,bid\n" + "\n".join(f"a,{value}" for value in values) + "\n")
    table = read_csv(path, ["bid"])
    assert table.numbers["bid"].tolist() == values
