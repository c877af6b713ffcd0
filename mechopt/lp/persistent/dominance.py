r"""Rows of `DominantIC`: truth against a misreport, on every path of types and whatever the others report.

For a node n of period t (the reports (k, m) at a slot), another report r of the agent, and every way on of her types
and the others' reports, with n' the node of (r, m): the sums of weighted utilities from t on, along the truth after n
and after n', the agent's type being the true one in both,

.. math:: \sum_{s \ge t} \Bigl[ \sum_a w_s x(n_s, a) v(a, k_s) - y(n_s) \Bigr]
    - \sum_{s \ge t} \Bigl[ \sum_a w_s x(n'_s, a) v(a, k_s) - y(n'_s) \Bigr] \ge 0.

That is enough for all sequences of reports: where the truth can be told after a misreport, it is best from there on by
the rows of that history; and where her reports rule it out, there is a row for each report that is allowed, until it
can be told again. Her types move with positive probability, the others' reports are all that theirs allow.

Source: Kakade, Lobel and Nazerzadeh (2013), Corollary 5.2.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from mechopt.core.errors import InputError, LimitError
from mechopt.core.numbers import Array, IntArray
from mechopt.environment.process import JointProcess
from mechopt.histories.public import PublicTree
from mechopt.lp.persistent.incentive import Scalar, SparseRows, gathered
from mechopt.mechanism.constraints import Constraint, DominantIC

MAX_ROWS = 2_000_000
"""Most rows of one agent and period."""


def why_not_dominant(constraints: Iterable[Constraint], process: JointProcess) -> str | None:
    """Why truth cannot be asked to be dominant, in words that follow the constraint's name; None where it can."""
    asked = [constraint for constraint in constraints if isinstance(constraint, DominantIC)]
    if not asked:
        return None
    if not process.independent:
        return "is for types that are independent across agents: an agent's path of types would tell her the others'"
    first = min(int(constraint.later) for constraint in asked)
    moved = next((t for t in range(first, process.horizon - 1) if process.controlled[t]), None)
    if moved is not None:
        return f"is for types that no action moves; actions move them in period {moved}: take periodic-ex-post"
    return None


def require_dominant(constraints: Iterable[Constraint], process: JointProcess) -> None:
    """Refuse it where paths of types depend on what is done.

    Raises
    ------
    InputError
    """
    listed = list(constraints)
    why = why_not_dominant(listed, process)
    if why is not None:
        name = next(constraint.name for constraint in listed if isinstance(constraint, DominantIC))
        raise InputError(f"constraint {name!r} {why}")


def dominance_rows(
    tree: PublicTree,
    t: int,
    i: int,
    allocation: tuple[IntArray, ...],
    payment: list[IntArray],
    per_unit: list[Scalar],
    slack: Scalar = 0,
) -> SparseRows:
    """Rows of one agent, of misreports in one period.

    Parameters
    ----------
    tree : PublicTree
        No action is recorded from period t on.
    t, i : int
    allocation : tuple over periods of int arrays ``(nodes, A_t)``
    payment : list over periods of int arrays ``(nodes,)``
        Of the agent.
    per_unit : list of numbers
        Present value of money of each period, in the program's unit.
    slack : number
        What a misreport may gain, in the program's unit: as if it cost that.
    """
    process = tree.process
    truth, lie = _misreports(tree, t, i)
    report, slot = tree.own(t, i)[lie], tree.slot[t][truth]
    true = tree.own(t, i)[truth]
    pairs = [(truth, lie)]
    for s in range(t, tree.horizon - 1):
        row, truth, lie = _way_on(tree, s, i, truth, lie)
        if len(row) > MAX_ROWS:
            raise LimitError(
                f"dominant: more than {MAX_ROWS:,} paths of types and reports; take fewer periods or types, or "
                "periodic-ex-post, which expects the future"
            )
        report, slot, true = report[row], slot[row], true[row]
        pairs = [*((told[row], other[row]) for told, other in pairs), (truth, lie)]
    rows, parts = np.arange(len(slot)), list[tuple[IntArray, IntArray, Array]]()
    for s, (told, other) in enumerate(pairs, t):
        own = process.with_own(s, i, tree.profile[s][other], tree.own(s, i)[told])
        worth = process.net_values[s][i].T
        fee = slack if s == t else 0
        ones: Array = np.ones(len(rows), dtype=np.int64)
        parts.append((rows[:, None], allocation[s][told], worth[tree.profile[s][told]] * per_unit[s]))
        parts.append((rows[:, None], allocation[s][other], -(worth[own] * per_unit[s] - fee)))
        parts += [(rows, payment[s][told], -ones), (rows, payment[s][other], ones)]
    zero = np.zeros(len(rows))
    return SparseRows(*gathered(parts), zero, zero + np.inf, slot, (("true type", true), ("report", report)))


def _misreports(tree: PublicTree, t: int, i: int) -> tuple[IntArray, IntArray]:
    """Nodes, and those of the same slot where the agent reports something else, in the order of both."""
    reports = np.arange(tree.process.shape[t][i])
    others = tree.find(t, tree.slot[t][:, None], tree.process.with_own(t, i, tree.profile[t][:, None], reports))
    node, place = np.nonzero((others >= 0) & (reports != tree.own(t, i)[:, None]))
    return node, others[node, place]


def _way_on(tree: PublicTree, t: int, i: int, truth: IntArray, lie: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Next nodes of both: every true profile, and the same reports after the misreport where they are allowed there.

    Where her type is not, all reports that are. Returns which pair each comes from.
    """
    process, width = tree.process, tree.process.shape[t + 1][i]
    pair, after = _children(tree, t, truth)
    own = tree.own(t + 1, i)[after]
    possible = process.marginal(t, i)[0][tree.profile[t][truth[pair]], own] > 0
    pair, after, own = pair[possible], after[possible], own[possible]
    slot = tree.following(t)[lie[pair], 0]
    reports = np.arange(width)
    profile = process.with_own(t + 1, i, tree.profile[t + 1][after][:, None], reports)
    found = tree.find(t + 1, slot[:, None], profile)
    there = found[np.arange(len(own)), own] >= 0
    allowed = (found >= 0) & np.where(there[:, None], reports == own[:, None], True)
    at, place = np.nonzero(allowed)
    return pair[at], after[at], found[at, place]


def _children(tree: PublicTree, t: int, nodes: IntArray) -> tuple[IntArray, IntArray]:
    """Nodes of the next period that follow some nodes: number of the parent among them, and node."""
    sizes = np.bincount(tree.slot[t + 1], minlength=tree.slots[t + 1])
    first, slot = np.cumsum(sizes) - sizes, tree.following(t)[nodes, 0]
    repeat = sizes[slot]
    parent = np.arange(len(nodes)).repeat(repeat)
    within = np.arange(len(parent)) - (np.cumsum(repeat) - repeat).repeat(repeat)
    return parent, first[slot[parent]] + within
