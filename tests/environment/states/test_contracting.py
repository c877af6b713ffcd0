"""Contracting, the first period of separable types, moves no public state."""

import pytest

import mechopt as mo

SEPARABLE = """kind = "separable"
horizon = 1
actions = ["none", "sell"]
[[agents]]
initial.values = [1, 2]
initial.probabilities = ["1/2", "1/2"]
signals = ["only"]
signal_initial = [1]
signal_kernel = [[1]]
base = [[0], [1]]
[[states]]
name = "stock"
values = ["0", "1"]
initial = [0, 1]
kernel = KERNEL
forbidden = { "0" = ["sell"] }
"""


@pytest.mark.parametrize("kernel", ["[[1, 0], [1, 0]]", "[[[1, 0], [1, 0]], [[1, 0], [1, 0]]]"])
def test_contracting_moves_no_state_however_the_kernel_is_written(kernel):
    assert mo.optimum(mo.loads(SEPARABLE.replace("KERNEL", kernel)), objective="welfare").value == pytest.approx(1.5)
