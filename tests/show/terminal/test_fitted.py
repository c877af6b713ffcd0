"""Tables in a width: no word is cut, nothing is lost."""

from hypothesis import given
from hypothesis import strategies as st

from mechopt.show.terminal.fitted import fitted

word = st.text("abcdef-_/.", min_size=1, max_size=30)
cell = st.lists(word, max_size=6).map(" ".join)


@given(st.integers(1, 5).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.lists(cell, min_size=n, max_size=n)))))
def test_every_word_is_whole_and_in_its_row(case):
    columns, rows = case
    header = [f"h{k}" for k in range(columns)]
    lines = fitted(header, rows, right=(0,))
    printed = sorted(" ".join(lines[:1] + lines[2:]).split())
    assert printed == sorted(" ".join([*header, *(part for row in rows for part in row)]).split())
    longest = [max([len(w) for row in [header, *rows] for w in row[k].split()]) for k in range(columns)]
    assert max(map(len, lines)) <= max(80, sum(longest) + 2 * (columns - 1))
