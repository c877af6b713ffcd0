"""The interface of all environments, in one language; closed forms ask for a kind by name.

Axes are agent first, then period: ``values[i][t]``. Arrays by period have one entry a period where the horizon is
finite, and one entry in all where it is infinite and nothing depends on the period.

====================  ===================  =======================================  ====================
kind                  ``values[i][t]``     ``kernel``                               ``initial``
====================  ===================  =======================================  ====================
independent           ``(type,)``          ``[i][t]``: ``(1, type, next)``          ``[i]``: ``(type,)``
markov                ``(action, type)``   ``[i][t]``: ``(action, type, next)``     ``[i]``: ``(type,)``
separable             as `to_markov` has   as `to_markov` has                       ``[i]``: ``(type,)``
interdependent        ``(action, *types)`` ``[t]``: ``(action, *types, *next)``     ``(*types,)``
====================  ===================  =======================================  ====================

The types of interdependent environments are correlated, so that their distributions have no agent's axis. A separable
environment answers for its Markov form, whose period 0 is contracting: a horizon of T has T + 1 periods there. With an
infinite horizon it has no such form, and those attributes say so (`InputError`).
"""

from __future__ import annotations

from typing import Any, Protocol

from mechopt.core.numbers import FloatArray


class Environment(Protocol):
    """A finite dynamic environment: who there is, what types they have, and what allocations are worth to them."""

    kind: str
    """As in model files."""

    @property
    def agents(self) -> int:
        """Number of agents n."""

    @property
    def horizon(self) -> Any:
        """Number of periods T, or "infinite"; separable environments do not count contracting."""

    @property
    def shape(self) -> tuple[tuple[int, ...], ...]:
        """``shape[t][i]``: number of types of agent i in period t."""

    @property
    def values(self) -> tuple[tuple[FloatArray, ...], ...]:
        """``values[i][t]``: what allocations are worth to agent i, money of period t."""

    @property
    def kernel(self) -> Any:
        """Distribution of the next types; of length T - 1 over periods, or 1 with an infinite horizon."""

    @property
    def initial(self) -> Any:
        """Distribution of the first types."""

    @property
    def cost(self) -> Any:
        """The seller's cost: by period where types are independent across periods, else by action."""

    @property
    def discount(self) -> float:
        """From one period to the next."""

    @property
    def present_value(self) -> FloatArray:
        """``present_value[t] = discount**t``: of money of period t; of length 1 with an infinite horizon."""

    @property
    def first_best(self) -> float:
        """Expected surplus of the efficient rule, present value: no mechanism has a higher welfare."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the agents."""

    @property
    def types(self) -> tuple[tuple[tuple[str, ...], ...], ...]:
        """``types[i][t][k]``: names of the types."""

    @property
    def exact(self) -> Any:
        """The numbers as fractions; None where float probabilities sum to 1 only within rounding."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the numbers and names; equal environments have equal fingerprints."""

    def to_toml(self) -> str:
        """Write the environment as the text of a model file; ``mo.loads`` gives an equal one."""
