"""Tables in a width: no word is cut, nothing is lost."""

import re

from hypothesis import given
from hypothesis import strategies as st

from mechopt.show.terminal.fitted import fitted

word = st.text("abcdef-_/.", min_size=1, max_size=30)
cell = st.lists(word, max_size=4).map(" ".join)


tables = st.lists(st.tuples(cell, cell, cell), max_size=5)


@given(tables, st.integers(1, 3))
def test_every_word_is_whole_and_in_its_row(rows, columns):
    rows = [row[:columns] for row in rows]
    header = [f"h{k}" for k in range(columns)]
    lines = fitted(header, rows, right=(0,))
    printed = sorted(" ".join(lines[:1] + lines[2:]).split())
    assert printed == sorted(" ".join([*header, *(part for row in rows for part in row)]).split())
    longest = [max([len(w) for row in [header, *rows] for w in row[k].split()]) for k in range(columns)]
    assert max(map(len, lines)) <= max(80, sum(longest) + 2 * (columns - 1))


def test_a_table_that_is_too_wide_goes_on_below(mechopt, monkeypatch):
    """At 80 columns a comparison is two tables with the names of the mechanisms whole in both."""
    import sys

    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = mechopt("compare", "mirrokni-2020/two-values-three-periods")
    assert max(map(len, out.splitlines())) <= 80
    heads = [line.split() for line in out.splitlines() if line.startswith("mechanism")]
    assert [name for head in heads for name in head].count("mechanism") == 2
    assert {"revenue", "guarantee", "non-clairvoyant", "violates"} <= {name for head in heads for name in head}
    assert out.count("non-clairvoyant-balance") >= 2 and "per-period-expected" not in out.replace(
        "per-period-expected", ""
    )


def test_labels_and_texts_of_a_narrow_terminal_keep_their_words_whole(monkeypatch, capsys):
    import sys

    from mechopt.show.terminal.console import show_rows

    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "40")
    identifier = "periodic-ex-post-rereport-for-everybody"
    show_rows([("verified", f"a constraint such as {identifier} satisfied"), ("model", "short")])
    out = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert identifier in out and "…" not in out and "model     short" in out and "verified  a" in out
