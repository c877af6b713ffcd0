r"""Virtual weights: what an initial type counts for where her information rent is deducted from her values.

An agent's initial types k = 1..K have probabilities f_k; h_k = (1 - F_k) / f_k, so that h_K = 0. Where her values are
``v_k = A_k X + Y`` (multiplicative: X = B, Y = 0; additive: X = C, Y = B) the rent that her values leave to the types
above lowers her *virtual level* ::

    L_k = A_k - h_k (A_{k+1} - A_k),          virtual flow  phi_k = L_k X + Y = alpha_k v_k + beta_k
    multiplicative   alpha_k = L_k / A_k,     beta_k = 0
    additive         alpha_k = 1,             beta_k(a) = (L_k - A_k) C(a)

Differences look up one type; where A_k = 0, alpha_k is minus infinity and only phi has a meaning. Without either form,
``phi_k = v_k - h_k (v_{k+1} - v_k)`` still bounds what can be earned, as long as no distribution of signals depends on
k.

Where L falls from one type to the next no mechanism can follow it: *ironing* pools neighbours to averages that rise.

Source: Kakade, Lobel and Nazerzadeh (2013), Lemma 3.4 and section 4.1, with differences in place of derivatives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np

from mechopt.closedform.static.virtual_values import iron
from mechopt.core.errors import Fault, InputError
from mechopt.core.numbers import FloatArray, readonly
from mechopt.environment.reading import check
from mechopt.environment.separable import SeparableTypes

Exact = Sequence[Fraction]


@dataclass(frozen=True, eq=False, repr=False)
class VirtualWeights:
    """Terms of the virtual flow of one agent; arrays are read-only.

    Attributes
    ----------
    multiplicative : bool
    level : float array ``(type,)``
        A.
    virtual_level : float array ``(type,)``
        L, ironed if asked.
    alpha : float array ``(type,)``
        Minus infinity where A is 0 and L below it.
    beta : float array ``(type, action)``
    slope : float array ``(action, signal)``
        X.
    monotone : bool
        Whether L, before ironing, never falls.
    exact : tuple over types of pairs of Fraction
        Alpha, and what beta is for each unit of the rate, 0 in the multiplicative form; alpha is 0 where it is minus
        infinity in floats.
    """

    multiplicative: bool
    level: FloatArray
    virtual_level: FloatArray
    alpha: FloatArray
    beta: FloatArray
    slope: FloatArray
    monotone: bool
    exact: tuple[tuple[Fraction, Fraction], ...] = ()

    def flow(self, weight: int, values: FloatArray) -> FloatArray:
        """``alpha v + beta`` with the weights of a type.

        Parameters
        ----------
        weight : int
            The type whose weights count.
        values : array ``(action, ...)``
            Money; the values of any type.
        """
        shift = self.beta[weight].reshape(-1, *(1 for _ in values.shape[1:]))
        weighted: FloatArray = self.alpha[weight] * values + shift
        return weighted


def virtual_weights(environment: SeparableTypes, ironed: bool = False) -> tuple[VirtualWeights, ...]:
    """Find each agent's virtual weights.

    Parameters
    ----------
    environment : SeparableTypes
    ironed : bool
        Whether virtual levels are ironed.

    Raises
    ------
    InputError
        With everything that the theorem does not allow: general forms, correlated signals, levels that fall or are
        negative, negative values of a multiplicative agent, negative rates, types of probability 0.

    Examples
    --------
    Types 1 and 2 at probability 1/2 each: L_1 = 1 - 1 (2 - 1) = 0.

    >>> env = SeparableTypes([[1, 2]], [["1/2", "1/2"]], [[[0], [1]]], [[1]], horizon=1)
    >>> virtual_weights(env)[0].alpha
    array([0., 1.])
    """
    faults = theorem_faults(environment)
    if faults:
        raise InputError(faults)
    return tuple(_weights(environment, i, ironed) for i in range(environment.agents))


def theorem_faults(environment: SeparableTypes) -> list[Fault]:
    """Reasons why the theorem on the virtual pivot does not apply.

    Parameters
    ----------
    environment : SeparableTypes
    """
    faults = []
    fix = "the virtual pivot needs what can be separated; virtual_bound gives a bound, and optimum the optimum"
    for i, form in enumerate(environment.form):
        at = f"agents[{i}]"
        if form == "general":
            faults.append(Fault(f"{at}.form", "is general", fix))
        if environment.signal_initial[i].ndim > 1:
            faults.append(Fault(f"{at}.signal_initial", "depends on the initial type", fix))
        faults += [
            Fault(f"{at}.initial.probabilities[{k}]", "is 0", "leave the type out")
            for k, f in enumerate(environment.initial_probabilities[i])
            if f == 0
        ]
        level, base, rate = environment.level[i], environment.base[i], environment.rate[i]
        if level is not None and base is not None:
            faults += _sign_faults(form, level, base, rate, at)
    return faults


def _sign_faults(form: str, level: FloatArray, base: FloatArray, rate: FloatArray | None, at: str) -> list[Fault]:
    faults = [
        Fault(f"{at}.level[{k + 1}]", f"{level[k + 1]:.12g} is below {level[k]:.12g} before it", "sort the types by it")
        for k in np.flatnonzero(np.diff(level) < 0)
    ]
    if form == "multiplicative":
        faults += [
            Fault(f"{at}.level[{k}]", f"is {level[k]:.12g}", "in the multiplicative form it must be at least 0")
            for k in np.flatnonzero(level < 0)
        ]
        faults += [
            Fault(f"{at}.base[{a}][{z}]", f"is {base[a, z]:.12g}", "in the multiplicative form it must be at least 0")
            for a, z in np.argwhere(base < 0)
        ]
    if rate is not None:
        for a in np.flatnonzero(rate < 0):
            faults.append(Fault(f"{at}.rate[{a}]", f"is {rate[a]:.12g}", "it must be at least 0"))
    return faults


def hazards(probabilities: Exact) -> list[Fraction]:
    """Inverse hazard rates h_k = (1 - F_k) / f_k of a distribution with positive probabilities.

    Examples
    --------
    >>> [str(h) for h in hazards([Fraction(1, 2), Fraction(1, 4), Fraction(1, 4)])]
    ['1', '1', '0']
    """
    tails = [sum(probabilities[k + 1 :], Fraction(0)) for k in range(len(probabilities))]
    return [tail / f for tail, f in zip(tails, probabilities, strict=True)]


def _weights(environment: SeparableTypes, i: int, ironed: bool) -> VirtualWeights:
    distribution, level = _exact_part(environment, "initial_probabilities", i), _exact_part(environment, "level", i)
    gaps = [above - below for below, above in pairwise(level)] + [Fraction(0)]
    raw = [a - h * gap for a, h, gap in zip(level, hazards(distribution), gaps, strict=True)]
    used = iron(raw, distribution) if ironed else raw
    multiplicative, base, rate = environment.form[i] == "multiplicative", environment.base[i], environment.rate[i]
    assert base is not None
    if multiplicative:
        alpha = [1.0 if low == a else float(low / a) if a else -np.inf for low, a in zip(used, level, strict=True)]
        beta, slope = np.zeros((len(level), len(base))), base
        exact = [(_ratio(low, a), Fraction(0)) for low, a in zip(used, level, strict=True)]
    else:
        assert rate is not None
        alpha = [1.0] * len(level)
        exact = [(Fraction(1), low - a) for low, a in zip(used, level, strict=True)]
        beta = np.outer([float(low - a) for low, a in zip(used, level, strict=True)], rate)
        slope = np.broadcast_to(rate[:, None], base.shape)
    return VirtualWeights(
        multiplicative,
        readonly([float(a) for a in level]),
        readonly([float(low) for low in used]),
        readonly(alpha),
        readonly(beta),
        slope,
        all(low <= high for low, high in pairwise(raw)),
        tuple(exact),
    )


def _ratio(low: Fraction, level: Fraction) -> Fraction:
    return Fraction(1) if low == level else low / level if level else Fraction(0)


def _exact_part(environment: SeparableTypes, key: str, i: int) -> list[Fraction]:
    part = getattr(environment.exact if environment.exact is not None else environment, key)[i]
    return [Fraction(number) for number in part]


def virtual_values_of(environment: SeparableTypes, i: int) -> FloatArray:
    """``phi_k = v_k - h_k (v_{k+1} - v_k)`` of any form; axes: action, initial type, signal.

    Parameters
    ----------
    environment : SeparableTypes
    i : int
        Agent whose signals do not depend on her initial type.
    """
    distribution = _exact_part(environment, "initial_probabilities", i)
    if not all(distribution):
        where = f"agents[{i}].initial.probabilities[{distribution.index(Fraction(0))}]"
        raise InputError([Fault(where, f"is {check.shown(Fraction(0))}", "leave the type out")])
    values = environment.value_tables[i]
    rise = np.diff(values, axis=1, append=values[:, -1:])
    return readonly(values - np.array([float(h) for h in hazards(distribution)])[:, None] * rise)
