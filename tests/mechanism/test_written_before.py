"""Files that version 0.1 wrote before all forms had one reader stay readable: same formats, same header keys."""

from fractions import Fraction
from pathlib import Path

import pytest

import mechopt as mo

FILES = Path(__file__).parent / "written_before"
INDEPENDENT = mo.IndependentTypes.iid([1, 2], ["1/2", "1/2"], horizon=2)
STAY = [["3/4", "1/4"], ["1/4", "3/4"]]
MARKOV = mo.MarkovTypes([[[0, 0], [1, 2]]], [STAY], [["1/2", "1/2"]], cost=[0, "1/2"], horizon=2)
FIRST = [["3/8", "1/8"], ["1/8", "3/8"]]


def following(a, b):
    """The next signals are independent, and each the more likely the higher both are now."""
    p, q = Fraction(1 + a + 2 * b, 8), Fraction(1 + b + 3 * a, 8)
    return [[str((1 - p) * (1 - q)), str((1 - p) * q)], [str(p * (1 - q)), str(p * q)]]


NEXT = [[following(a, b) for b in (0, 1)] for a in (0, 1)]
WORTH, NONE = [[0, 1], [1, 2]], [[0, 0], [0, 0]]
JOINT = mo.InterdependentTypes([[WORTH, NONE], [NONE, WORTH]], [NEXT, NEXT], FIRST, discount="9/10")


@pytest.mark.parametrize(
    ("name", "environment", "form", "revenue", "claims"),
    [
        # Two items, types 1 and 2: the optimum is 9/4. The pivot charges the cost of 1/2 in both periods.
        ("histories", INDEPENDENT, mo.Mechanism, 2.25, (mo.DIC(), mo.EPIR())),
        ("bank_table", INDEPENDENT, mo.results.BankTable, 2.25, (mo.DIC(), mo.EPIR())),
        (
            "stationary",
            MARKOV,
            mo.results.MarkovMechanism,
            0,
            (mo.PeriodicExPostIC(), mo.PeriodicExPostIC(rereport=True)),
        ),
        ("public_histories", MARKOV, mo.SequenceMechanism, 0, (mo.PeriodicExPostIC(), mo.PeriodicExPostIC(True))),
        ("transfers", JOINT, mo.results.ContingentTransfers, None, (mo.PeriodicExPostIC(),)),
    ],
)
def test_old_files_are_read(name, environment, form, revenue, claims):
    read = mo.load_mechanism(FILES / f"{name}.npz", environment)
    assert isinstance(read, form)
    assert read.claims == claims
    expected = mo.contingent_transfers(JOINT, "convex").revenue if revenue is None else revenue
    assert read.revenue == pytest.approx(expected, abs=1e-9)
