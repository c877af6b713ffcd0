r"""An initial signal known at contracting, times or plus what is learned later.

At contracting, t = 0, agent i knows her initial type k, of probability f(k); nothing is allocated yet. In the periods
t = 1, ..., T an action a is taken, at a cost c(a) to the seller, and she knows a signal z that moves by a kernel, which
the action may steer. The action may be worth something to the seller by her type and signal, ``seller_values``, as long
as she is not left out at contracting. It is worth to her::

    multiplicative   v(a, k, z) = A(k) B(a, z)
    additive         v(a, k, z) = A(k) C(a) + B(a, z)
    general          v(a, k, z)

Present values are as of t = 0: period t counts ``discount**t``. The horizon T counts allocation periods only, and may
be infinite. The environment is *separable*, as the theorem on the virtual pivot needs, where every agent's values have
one of the first two forms and no distribution of signals depends on the initial type (else signals are *correlated*).

Source: Kakade, Lobel and Nazerzadeh (2013), section 2; periods are counted as there.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import starmap
from math import prod
from typing import Any, ClassVar, NamedTuple

import numpy as np

from mechopt.core.numbers import FloatArray, readonly
from mechopt.core.provided import provided
from mechopt.environment.base import PersistentBase, counted, named_parts, periods
from mechopt.environment.markov import MarkovTypes
from mechopt.environment.reading import separable
from mechopt.environment.reading.nested import Matrix, Vector, floats, kernel_array, plain, unless_zero, unrounded
from mechopt.environment.reading.reader import Horizon
from mechopt.environment.reading.separable import Model
from mechopt.environment.reading.terms import Options


class ExactSeparable(NamedTuple):
    """The exact numbers of an instance, in the layout of its arrays."""

    initial_values: Matrix
    initial_probabilities: Matrix
    level: tuple[Vector | None, ...]
    base: tuple[Matrix | None, ...]
    rate: tuple[Vector | None, ...]
    general: tuple[tuple[Matrix, ...] | None, ...]
    signal_initial: tuple[Vector | Matrix, ...]
    signal_kernel: tuple[tuple[Matrix, ...], ...]
    cost: Vector
    discount: Fraction
    seller_values: tuple[tuple[Matrix, ...], ...] | None = None
    outside: Options | None = None
    discounts: Vector | None = None


@dataclass(frozen=True, eq=False, repr=False, init=False)
class SeparableTypes(PersistentBase):
    """Agents who know an initial type when they sign a contract, and learn signals afterwards.

    Parameters
    ----------
    initial_values : nested sequences, ``initial_values[i][type]``
        Grid of agent i's initial signal, increasing.
    initial_probabilities : nested sequences, ``initial_probabilities[i][type]``
    base : nested sequences, ``base[i][action][signal]``
        B; None for an agent of general form.
    signal_initial : nested sequences, ``signal_initial[i][signal]`` or ``signal_initial[i][type][signal]``
        Distribution of the signal of period 1; by initial type where they are correlated.
    signal_kernel : nested sequences, ``signal_kernel[i][signal][next]`` or ``signal_kernel[i][action][signal][next]``
        Distribution of the next signal, for every action or by action. May be left out with a horizon of 1.
    form : "multiplicative", "additive" or "general", or a sequence of these over agents
    level : nested sequences, ``level[i][type]``, optional
        A; default, and for an agent with None: the initial signal itself.
    rate : nested sequences, ``rate[i][action]``
        C, in the additive form only.
    general : nested sequences, ``general[i][action][type][signal]``
        v, in the general form only; `values` in model files.
    signals : nested sequences of str, ``signals[i][signal]``, optional
        Names; default: their numbers.
    names, actions : sequences of str, optional
        Of the agents, of the actions; default: their numbers.
    cost : number or sequence over actions
        The seller's cost of an action in an allocation period, of any sign; default 0.
    horizon : int or "infinite"
        Number of allocation periods.
    discount : number
        In (0, 1], below 1 with an infinite horizon; default 1.
    seller_values : nested sequences, ``seller_values[i][action][type][signal]``, optional
        What an action is worth to the seller by agent i's type and signal, of any sign, besides payments and the cost;
        None for an agent of whom this is 0.
    outside : sequence over agents, optional
        What an agent has who does not take part: a number or one by initial type, at contracting alone; or a list by
        period of either, present value as of the period. None for an agent who has nothing. See `ExAnteIR`, `Interim`.
    discounts : sequence over agents, optional
        Agents' own, where they differ from ``discount``, which is then the seller's; None where hers does not.
    exact : ExactSeparable, optional
        The numbers that float arguments are the rounding of; ``dataclasses.replace`` passes it on.

    Attributes
    ----------
    initial_values, initial_probabilities : tuples over agents of read-only float arrays ``(type,)``
    level, base, rate, general : tuples over agents of read-only float arrays, or None where the form has none
        Axes ``(type,)``, ``(action, signal)``, ``(action,)`` and ``(action, type, signal)``.
    signal_initial : tuple over agents of read-only float arrays ``(signal,)``, or ``(type, signal)`` where correlated
    signal_kernel : tuple over agents of read-only float arrays ``(action, signal, next)``
    form, names, actions : tuples of str
    signals : tuple over agents of tuples of str
    cost : read-only float array ``(action,)``
    horizon : int or "infinite"
    discount : float
    seller_values : tuple over agents of read-only float arrays ``(action, type, signal)``, or None where they are all 0
    outside : ``outside[i][t]``: read-only float arrays ``(type,)``, or None where all are 0
    discounts : tuple of float, or None where all are `discount`
    exact : ExactSeparable or None
        The same as fractions; None where float probabilities sum to 1 only within rounding.

    Raises
    ------
    InputError
        With every fault of the input.

    Examples
    --------
    >>> env = SeparableTypes([[1, 2]], [["1/2", "1/2"]], [[[0, 0], [0, 1]]], [["1/4", "3/4"]], horizon=1)
    >>> env, env.value_tables[0][1]
    (SeparableTypes(1 agent, 2 actions, 2 initial types, 2 signals, 1 period), array([[0., 1.],
           [0., 2.]]))
    >>> env.to_markov()
    MarkovTypes(1 agent, 1 to 2 actions, 4 types, 2 periods)
    """

    initial_values: tuple[FloatArray, ...]
    initial_probabilities: tuple[FloatArray, ...]
    base: tuple[FloatArray | None, ...]
    signal_initial: tuple[FloatArray, ...]
    signal_kernel: tuple[FloatArray, ...]
    form: tuple[str, ...]
    level: tuple[FloatArray | None, ...]
    rate: tuple[FloatArray | None, ...]
    general: tuple[FloatArray | None, ...]
    signals: tuple[tuple[str, ...], ...]
    names: tuple[str, ...]
    actions: tuple[str, ...]
    cost: FloatArray
    horizon: Horizon
    discount: float
    seller_values: tuple[FloatArray, ...] | None
    outside: tuple[tuple[FloatArray, ...], ...] | None
    discounts: tuple[float, ...] | None
    exact: ExactSeparable | None

    kind = "separable"
    _reading: ClassVar[Any] = separable

    def __init__(
        self,
        initial_values: Any,
        initial_probabilities: Any,
        base: Any = None,
        signal_initial: Any = None,
        signal_kernel: Any = None,
        form: Any = "multiplicative",
        level: Any = None,
        rate: Any = None,
        general: Any = None,
        signals: Any = None,
        names: Any = None,
        actions: Any = None,
        cost: Any = 0,
        horizon: Any = "infinite",
        discount: Any = 1,
        seller_values: Any = None,
        outside: Any = None,
        discounts: Any = None,
        exact: ExactSeparable | None = None,
    ) -> None:
        parts = {
            "initial_values": initial_values,
            "initial_probabilities": initial_probabilities,
            "level": level,
            "base": base,
            "rate": rate,
            "general": general,
            "signal_initial": signal_initial,
            "signal_kernel": signal_kernel,
            "seller_values": seller_values,
        }
        if exact is not None:
            parts = {key: unrounded(part, getattr(exact, key)) for key, part in parts.items()}
            cost, discount = unrounded(cost, exact.cost), unrounded(discount, exact.discount)
            outside, discounts = unrounded(outside, exact.outside), unrounded(discounts, exact.discounts)
        parts |= {"form": form, "signals": signals, "names": names, "actions": actions}
        parts |= {"outside": outside, "discounts": discounts}
        self._read(parts | {"cost": cost, "horizon": horizon, "discount": discount})

    def _fill(self, model: Model) -> None:
        exact, fields = _exact(model), dict[str, Any]()
        for key in ("initial_values", "initial_probabilities", "level", "base", "rate", "general", "signal_initial"):
            parts = (getattr(agent, key) for agent in model.agents)
            fields[key] = tuple(None if part is None else floats(part) for part in parts)
        self._set(
            model,
            **fields,
            signal_kernel=tuple(kernel_array(agent.signal_kernel) for agent in model.agents),
            form=tuple(agent.form for agent in model.agents),
            signals=tuple(agent.signals for agent in model.agents),
            names=tuple(agent.name for agent in model.agents),
            seller_values=None if exact.seller_values is None else tuple(map(floats, exact.seller_values)),
            exact=exact if _sums_to_one(exact) else None,
            _value_tables=tuple(agent.value_table() for agent in model.agents),
        )

    @property
    def agents(self) -> int:
        """Number of agents n."""
        return len(self.initial_values)

    @cached_property
    def initial_shape(self) -> tuple[int, ...]:
        """Number of initial types of each agent."""
        return tuple(len(distribution) for distribution in self.initial_probabilities)

    @cached_property
    def signal_shape(self) -> tuple[int, ...]:
        """Number of signals of each agent."""
        return tuple(distribution.shape[-1] for distribution in self.signal_initial)

    @cached_property
    def initial_distribution(self) -> FloatArray:
        """Probability of each profile of initial types; axes: type of agent 0, ..., type of agent n-1."""
        profiles: FloatArray = np.ones(())
        for row in self.initial_probabilities:
            profiles = np.multiply.outer(profiles, row)
        return profiles

    @cached_property
    def value_tables(self) -> tuple[FloatArray, ...]:
        """Values of actions to each agent, whatever her form; axes: action, initial type, signal."""
        return tuple(map(floats, self.exact_value_tables))

    @property
    def exact_value_tables(self) -> tuple[tuple[Matrix, ...], ...]:
        """The same as fractions."""
        tables: tuple[tuple[Matrix, ...], ...] = self.__dict__["_value_tables"]
        return tables

    @property
    def correlated(self) -> bool:
        """Whether some agent's first signal depends on her initial type."""
        return any(distribution.ndim > 1 for distribution in self.signal_initial)

    @property
    def separable(self) -> bool:
        """Whether the theorem's form is met: multiplicative or additive values, signals that are not correlated."""
        return "general" not in self.form and not self.correlated

    @property
    def controlled(self) -> bool:
        """Whether some agent's signals move by the action; never with a horizon of 1."""
        return self.horizon != 1 and any(bool((kernel != kernel[:1]).any()) for kernel in self.signal_kernel)

    @cached_property
    def exclusion_matters(self) -> bool:
        """Whether leaving agents out at contracting can bring more than serving nobody.

        It cannot where some action costs least and is worth nothing to anyone, and either there is one agent, or each
        action is worth something to one agent at most and moves no signals.
        """
        worth = np.array([table.any(axis=(1, 2)) for table in self.value_tables])  # axes: agent, action
        if self.seller_values is not None:
            worth |= np.array([table.any(axis=(1, 2)) for table in self.seller_values])
        idle = bool((~worth.any(axis=0) & (self.cost <= self.cost.min())).any())
        alone = self.agents == 1 or (bool((worth.sum(axis=0) <= 1).all()) and not self.controlled)
        return not (idle and alone)

    def to_markov(self, exclusion: bool | None = None) -> MarkovTypes:
        """Build the Markov environment with the contracting period as its first.

        Parameters
        ----------
        exclusion : bool, optional
            Whether the seller chooses at contracting which agents to include; default: where that matters
            (`exclusion_matters`). Excluded agents get the type "excluded" for ever, and no action is worth anything to
            them; its cost stays.

        Returns
        -------
        MarkovTypes
            Of horizon T + 1. Period 0: initial types, and one action "contract", or with exclusion one for every set
            of agents, named by them; action number S includes agent i where bit i of S is set. Later periods: type
            ``k * signals + z`` is initial type k with signal z; with exclusion the last type is "excluded". Values,
            costs and discounting are such that present values at t = 0 are the same.

        Raises
        ------
        InputError
            If the horizon is infinite.

        Examples
        --------
        >>> env = SeparableTypes([[1, 2]], [["1/2", "1/2"]], [[[0, 0], [0, 1]]], [["1/4", "3/4"]], horizon=1)
        >>> env.to_markov(exclusion=True).action_names(0), env.to_markov(exclusion=True).types[0][1]
        (('include nobody', 'include 0'), ('1:0', '1:1', '2:0', '2:1', 'excluded'))
        """
        matters = self.exclusion_matters if exclusion is None else exclusion
        built: MarkovTypes = provided(self, "to_markov")(self, matters)
        return built

    @cached_property
    def _markov(self) -> MarkovTypes:
        return self.to_markov()

    @property
    def values(self) -> tuple[tuple[FloatArray, ...], ...]:
        """``values[i][t]``: ``(action, type)`` of the Markov form, period 0 being contracting; see `to_markov`.

        As `kernel`, `shape` and `types`, they exist with a finite horizon only; `value_tables` are for every horizon.
        """
        return self._markov.values

    @property
    def kernel(self) -> tuple[tuple[FloatArray, ...], ...]:
        """``kernel[i][t]``: ``(action, type, next)`` of the Markov form, the first one from contracting to t = 1."""
        return self._markov.kernel

    @property
    def shape(self) -> tuple[tuple[int, ...], ...]:
        """``shape[t][i]``: number of types of agent i in period t of the Markov form."""
        return self._markov.shape

    @property
    def types(self) -> tuple[tuple[tuple[str, ...], ...], ...]:
        """``types[i][t]``: names of the types of the Markov form."""
        return self._markov.types

    @property
    def initial(self) -> tuple[FloatArray, ...]:
        """``initial[i]``: distribution of the initial type, ``(type,)``."""
        return self.initial_probabilities

    @cached_property
    def present_value(self) -> FloatArray:
        """``present_value[t] = discount**t``, period 0 being contracting; of length 1 with an infinite horizon."""
        return readonly(self.discount ** np.arange(1 if isinstance(self.horizon, str) else self.horizon + 1))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the instance's numbers and names; equal instances have equal fingerprints."""
        source = self.exact or self
        numbers = [plain(getattr(source, key)) for key in ExactSeparable._fields[:-3]] + named_parts(source)
        named = [self.form, self.actions, self.signals, self.names, self.horizon]
        return hashlib.sha256(json.dumps([self.kind, numbers, named]).encode()).hexdigest()

    def __reduce__(self) -> tuple[Any, ...]:
        s = self.exact or self
        first = (s.initial_values, s.initial_probabilities, s.base, s.signal_initial, s.signal_kernel, self.form)
        names = (self.signals, self.names, self.actions)
        rest = s.cost, self.horizon, s.discount, s.seller_values, s.outside, s.discounts
        return type(self), (*first, s.level, s.rate, s.general, *names, *rest)

    def __repr__(self) -> str:
        kinds = ("initial type", "signal") if self.agents == 1 else ("initial profile", "signal profile")
        sizes = zip(map(prod, (self.initial_shape, self.signal_shape)), kinds, strict=True)
        parts = [(self.agents, "agent"), (len(self.actions), "action"), *sizes]
        return f"SeparableTypes({', '.join([*starmap(counted, parts), periods(self.horizon)])})"


def _exact(model: Model) -> ExactSeparable:
    def parts(key: str) -> Any:
        return tuple(getattr(agent, key) for agent in model.agents)

    apart = ("cost", "discount", "seller_values", "outside", "discounts")
    by_agent = {key: parts(key) for key in ExactSeparable._fields if key not in apart}
    gains = unless_zero(parts("seller_values"))
    return ExactSeparable(
        **by_agent,
        cost=model.cost[0],
        discount=model.discount,
        seller_values=gains,
        outside=model.outside,
        discounts=model.discounts,
    )


def _sums_to_one(exact: ExactSeparable) -> bool:
    rows: list[Vector] = list(exact.initial_probabilities)
    for distribution in exact.signal_initial:
        joint = [row for row in distribution if isinstance(row, tuple)]
        rows += joint or [tuple(number for number in distribution if not isinstance(number, tuple))]
    rows += [row for kernel in exact.signal_kernel for matrix in kernel for row in matrix]
    return all(sum(row) == 1 for row in rows)
