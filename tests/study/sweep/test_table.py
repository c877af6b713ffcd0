"""Rows kept as columns are the rows that were added."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mechopt.study.sweep.table import Lazy, Rows

CELLS = st.one_of(st.none(), st.text(max_size=5), st.integers(), st.floats(allow_nan=False, allow_infinity=False))
ROWS = st.lists(st.dictionaries(st.sampled_from("abc"), CELLS), max_size=8)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(ROWS, st.integers(0, 99))
def test_rows_come_back_in_the_order_of_their_numbers(rows, seed):
    made = Rows()
    for k in np.random.default_rng(seed).permutation(len(rows)).tolist():
        made.add(10 * k, {"x": k}, rows[k])
    found = made.finished()
    assert len(made) == len(found) == len(rows)
    assert list(found) == rows and [found[k] for k in range(len(rows))] == rows and found[1:] == rows[1:]
    assert [[type(cell) for cell in row.values()] for row in found] == [
        [type(row[key]) for key in same] for row, same in zip(rows, found, strict=True)
    ]
    assert found.numbers.tolist() == [10 * k for k in range(len(rows))]


def test_table_is_what_pandas_makes_of_the_rows():
    rows = [
        {"status": "done", "value": 1.5, "size": 3, "mixed": 1},
        {"status": "failed", "reason": "no"},
        {"status": "done", "value": 2, "size": 2**70, "mixed": "infinite"},
    ]
    made = Rows()
    for k in (2, 0, 1):
        made.add(k, {"horizon": k + 1}, rows[k])
    frame = made.finished().to_frame(["horizon", "status", "reason", "value", "size", "mixed"].index)
    whole = pd.DataFrame(
        [{"horizon": k + 1} | row for k, row in enumerate(rows)], index=pd.Index(range(3), name="point")
    )
    pd.testing.assert_frame_equal(frame, whole[frame.columns], check_dtype=False, check_column_type=False)
    assert frame["horizon"].dtype == np.int64 and frame["value"].dtype == np.float64
    assert made.finished().counted("status") == {"done": 2, "failed": 1} and made.finished().counted("x") == {}
    assert np.isnan(made.finished().numeric("x")).all() and made.finished().numeric("value")[[0, 2]].tolist() == [
        1.5,
        2,
    ]


def test_entries_are_made_when_they_are_asked_for():
    asked = []
    lazy = Lazy(3, lambda k: asked.append(k) or 10 * k)
    assert asked == [] and len(lazy) == 3
    assert (lazy[1], lazy[-1], lazy[:2], list(lazy)) == (10, 20, [0, 10], [0, 10, 20])
    for k in (3, -4):
        with pytest.raises(IndexError):
            lazy[k]


def test_nothing_is_a_table_without_columns():
    frame = Rows().finished().to_frame(len)
    assert frame.empty and frame.index.name == "point"
