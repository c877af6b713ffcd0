r"""Continuous signals on [0, 1], on a grid: a joint transition density becomes a table of probabilities.

Each agent's unit interval is cut into cells, one around each of her points: halfway to the neighbours, and to 0 and 1
at the ends. The probability of a profile of next points is

.. math:: f(y \mid a, x) \prod_i |\text{cell}_i(y_i)| \Big/ (1 + \text{mass defect}(a, x)),

the density at the points times the size of their cells, divided by its sum. How far that sum misses 1, the **mass
defect**, is what the grid costs: it is kept by action and profile, and a grid whose defect is above a limit is
refused. With equal cells around midpoints it falls with the square of the number of points for smooth densities.

Source: Liu (2025), section 5.1, whose signals are on [0, 1] with a stationary continuous density.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from mechopt.core.errors import Fault, InputError, LimitError
from mechopt.core.numbers import Array, FloatArray, readonly
from mechopt.environment.interdependent import InterdependentTypes
from mechopt.environment.reading.nested import is_list
from mechopt.environment.reading.tables import increasing, number

Signals = tuple[FloatArray, ...]
Density = Callable[[int, Signals, Signals], Any]
MAX_ENTRIES = 3 * 10**7
"""Largest number of entries of the joint kernel."""


@dataclass(frozen=True, eq=False, repr=False)
class SignalGrid:
    """Signals on a grid, with the error that the grid makes.

    Attributes
    ----------
    points : tuple over agents of float arrays ``(signal,)``
        In [0, 1].
    cells : tuple over agents of float arrays ``(signal,)``
        Lengths of the cells around the points; they sum to 1.
    kernel : float array ``(action, *signals, *next signals)``
        Probabilities; they sum to 1 over the next signals.
    initial : float array ``(*signals,)``
        Probabilities of the first profile.
    mass_defect : float array ``(action, *signals)``
        Sum of density times cells, less 1, before it is divided out.
    initial_defect : float
        The same for the first profile.
    """

    points: Signals
    cells: Signals
    kernel: FloatArray
    initial: FloatArray
    mass_defect: FloatArray
    initial_defect: float

    @property
    def max_defect(self) -> float:
        """The largest defect in size."""
        return max(float(np.abs(self.mass_defect).max()), abs(self.initial_defect))

    def environment(
        self,
        values: Callable[[int, Signals], Sequence[Any]],
        discount: Any,
        horizon: Any = "infinite",
        actions: Any = None,
        cost: Any = 0,
    ) -> InterdependentTypes:
        """Build the environment of these signals.

        Parameters
        ----------
        values : callable
            ``values(action, signals)``: one array or number an agent, what the action is worth to her; ``signals[i]``
            are agent i's points along axis i.
        discount, horizon, actions, cost
            As for `InterdependentTypes`.

        Raises
        ------
        InputError
            With every fault.
        """
        shape, count = self.initial.shape, len(self.points)
        table = np.empty((count, len(self.kernel), *shape))
        for a in range(len(self.kernel)):
            worth = values(a, _open(self.points))
            if not is_list(worth) or len(worth) != count:
                raise InputError([Fault(f"values({a})", "is not a list", f"give one array an agent, {count} in all")])
            for i, entry in enumerate(worth):
                table[i, a] = _spread(entry, shape, f"values({a})[{i}]")
        names = tuple(tuple(f"{point:.6g}" for point in points) for points in self.points)
        named = tuple(row if len(set(row)) == len(row) else None for row in names)
        return InterdependentTypes(
            table, self.kernel, self.initial, actions, named, cost=cost, horizon=horizon, discount=discount
        )

    def __repr__(self) -> str:
        counts = " x ".join(str(len(points)) for points in self.points)
        return f"SignalGrid({counts} signals, {len(self.kernel)} actions, mass defect up to {self.max_defect:.3g})"


def signal_grid(
    density: Density,
    points: Any,
    agents: int = 2,
    actions: int = 1,
    initial: Callable[[Signals], Any] | None = None,
    max_defect: Any = "1/20",
) -> SignalGrid:
    """Put a joint transition density on [0, 1] on a grid.

    Parameters
    ----------
    density : callable
        ``density(action, signals, following)``, at least 0, with a number of the action and arrays by agent of signals
        and next signals that broadcast together, to the shape ``(*signals, *next signals)``.
    points : int, or sequence of numbers, or one of these an agent
        As many midpoints of equal cells, or increasing points in [0, 1]. One for all, or one an agent; whole numbers
        above 1 in a list are numbers of points.
    agents, actions : int
        How many there are.
    initial : callable, optional
        ``initial(signals)``, the joint density of the first signals; default uniform.
    max_defect : number
        Refuse grids on which a density's mass misses 1 by more.

    Returns
    -------
    SignalGrid

    Raises
    ------
    InputError
        If points or density do not fit, or the grid is too coarse.
    LimitError
        If the kernel would be too large.

    Examples
    --------
    Signals rise together; the density is affine in the next ones, so that midpoints make no error.

    >>> grid = signal_grid(lambda a, x, y: 1 + (x[0] + x[1] - 1) * (y[0] + y[1] - 1), points=4)
    >>> grid.kernel.shape, grid.max_defect < 1e-12
    ((1, 4, 4, 4, 4), True)

    A density that is curved costs something: 3 y^2 at K midpoints has the mass 1 - 1/(4 K^2).

    >>> signal_grid(lambda a, x, y: 3 * y[0] ** 2, points=[0.25, 0.75], max_defect=0.1)
    SignalGrid(2 x 2 signals, 1 actions, mass defect up to 0.0625)
    """
    if not callable(density):
        raise InputError(
            f"signal_grid takes a function and not {type(density).__name__}; give density(action, now, next)"
        )
    grids, limit = _read(points, agents, actions, max_defect)
    shape = tuple(len(grid) for grid in grids)
    if (entries := actions * prod(shape) ** 2) > MAX_ENTRIES:
        raise LimitError(
            f"the kernel would have {entries:,} entries, above {MAX_ENTRIES:,}; use fewer points or agents"
        )
    cells = tuple(np.diff([0.0, *(grid[1:] + grid[:-1]) / 2, 1.0]) for grid in grids)
    size = prod(_open(cells), start=np.ones(()))
    both = _open((*grids, *grids))
    now, following = both[:agents], both[agents:]
    kernel, defect = np.empty((actions, *shape, *shape)), np.empty((actions, *shape))
    faults: list[Fault] = []
    for a in range(actions):
        mass = _checked(_spread(density(a, now, following), shape * 2, f"density({a})"), f"density({a})") * size
        kernel[a], defect[a] = _normalised(mass, agents, f"density({a})", limit, faults)
    first = np.ones(shape) if initial is None else _spread(initial(_open(grids)), shape, "initial")
    distribution, missed = _normalised(_checked(first, "initial") * size, 0, "initial", limit, faults)
    if faults:
        raise InputError(faults)
    return SignalGrid(
        tuple(map(readonly, grids)),
        tuple(map(readonly, cells)),
        readonly(kernel),
        readonly(distribution),
        readonly(defect),
        float(missed),
    )


def _open(grids: Sequence[FloatArray]) -> Signals:
    """Each grid along an axis of its own."""
    return tuple(np.asarray(grid, dtype=np.float64) for grid in np.ix_(*grids))


def _spread(given: Any, shape: tuple[int, ...], where: str) -> Array:
    """Values of a user's function on the whole grid."""
    try:
        return np.broadcast_to(np.asarray(given, dtype=np.float64), shape)
    except (ValueError, TypeError):
        what = f"gives an array of shape {np.shape(given)}" if isinstance(given, np.ndarray) else "gives no numbers"
        fix = f"it must broadcast to {shape}; use the arrays it is called with"
        raise InputError([Fault(where, what, fix)]) from None


def _checked(density: Array, where: str) -> Array:
    """A density that is finite and at least 0."""
    bad = np.argwhere(~(np.isfinite(density) & (density >= 0)))
    if len(bad):
        index = tuple(int(k) for k in bad[0])
        raise InputError([Fault(where, f"is {density[index]:g} at grid point {index}", "it must be at least 0")])
    return density


def _normalised(mass: Array, axes: int, where: str, limit: float, faults: list[Fault]) -> tuple[FloatArray, FloatArray]:
    """Probabilities over the axes from ``axes`` on, and by how much they missed 1."""
    sums = mass.sum(axis=tuple(range(axes, mass.ndim)), keepdims=True)
    defect = sums.reshape(mass.shape[:axes]) - 1
    worst = np.unravel_index(np.abs(defect).argmax(), defect.shape)
    if abs(defect[worst]) > limit:
        place = f" at grid point {tuple(int(k) for k in worst)}" if axes else ""
        what = f"has a mass of {1 + defect[worst]:.6g} on the grid{place}"
        faults.append(Fault(where, what, "use more points, or raise max_defect; check that it integrates to 1"))
        return mass, defect
    return mass / sums, defect


def _read(points: Any, agents: Any, actions: Any, max_defect: Any) -> tuple[list[FloatArray], float]:
    """Points by agent and the largest defect; raises with every fault."""
    faults: list[Fault] = []
    for name, count, least in (("agents", agents, 2), ("actions", actions, 1)):
        if not isinstance(count, int) or count < least:
            faults.append(Fault(name, f"is {count!r}", f"write a whole number, at least {least}"))
    limit = number(max_defect, "max_defect", faults)
    if faults or limit is None:
        raise InputError(faults)
    own = is_list(points) and (
        any(map(is_list, points)) or all(isinstance(entry, int) and entry > 1 for entry in points)
    )
    each = list(points) if own else [points] * agents
    if len(each) != agents:
        faults.append(
            Fault("points", f"has {len(each)} entries for {agents} agents", "give one an agent, or one for all")
        )
    if own:
        grids = [_points(entry, f"points[{i}]", faults) for i, entry in enumerate(each)]
    else:
        grids = [_points(points, "points", faults)] * agents
    if faults:
        raise InputError(faults)
    return [grid for grid in grids if grid is not None], limit


def _points(given: Any, where: str, faults: list[Fault]) -> FloatArray | None:
    if isinstance(given, int):
        if given < 1:
            faults.append(Fault(where, f"is {given}", "there must be at least one"))
            return None
        return (np.arange(given) + 0.5) / given
    grid = increasing(given, where, faults)
    if grid is not None and (grid[0] < 0 or grid[-1] > 1):
        faults.append(Fault(where, f"goes from {grid[0]:g} to {grid[-1]:g}", "points lie in [0, 1]"))
        return None
    return grid
