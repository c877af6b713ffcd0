"""Known forms of mechanisms, recognised by template: prices, fees, options, refunds, no memory, a balance."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from mechopt.core.numbers import FloatArray
from mechopt.show.explain.automaton import Automaton
from mechopt.show.explain.wording import amount

SAME = 1e-7


def structures(found: Automaton, balance: Sequence[FloatArray] | None = None) -> tuple[str, ...]:
    """Forms that a mechanism has, in words, most telling first.

    Parameters
    ----------
    found : Automaton
    balance : sequence over t of arrays ``(slots,)``, optional
        Of a bank account mechanism with the same allocation.
    """
    play = found.play
    known = []
    alone = all(len(part) == 1 for part in found.example)
    if len(play.agents) == 1:
        known += _prices(found, alone)
    if alone and play.horizon > 1:
        known.append("history-independent: what is done and paid depends on the current report alone")
    elif not alone and balance is not None and _intervals(found, balance):
        known.append("balance: in every period the states are intervals of the buyer's account")
    return tuple(known)


def _intervals(found: Automaton, balance: Sequence[FloatArray]) -> bool:
    """Whether the balances of different states of a period never overlap."""
    for state, amounts in zip(found.state, balance, strict=True):
        ends = sorted((float(amounts[state == s].min()), float(amounts[state == s].max())) for s in np.unique(state))
        if any(high >= low - SAME for (_, high), (low, _) in pairwise(ends)):
            return False
    return True


def _sold(found: Automaton, t: int) -> tuple[FloatArray, FloatArray]:
    """Probability that the agent gets something, and her payment, at nodes of positive probability."""
    play = found.play
    useful = np.abs(play.values[t]).max(axis=2)[0] > 0
    likely = play.reach[t] > 0
    return play.allocation[t][likely] @ useful, play.payment[t][0][likely]


def _price(sold: FloatArray, paid: FloatArray) -> float | None:
    """The price, where payments are one price times what is sold; None where they are not, or nothing is sold."""
    if not (sold > SAME).any():
        return None
    price = float(paid @ sold / (sold @ sold))
    scale = max(1.0, float(np.abs(paid).max(initial=0.0)))
    return price if np.abs(paid - price * sold).max() <= SAME * scale else None


def _prices(found: Automaton, alone: bool) -> list[str]:
    """Forms of one agent's payments."""
    horizon = found.play.horizon
    by_period = [_sold(found, t) for t in range(horizon)]
    sold, paid = (np.concatenate(part) for part in zip(*by_period, strict=True))
    constant = _price(sold, paid)
    if constant is not None:
        return [f"constant price: {amount(constant)} for each item"]
    each = [_price(*pair) for pair in by_period]
    if all(price is not None or not (pair[0] > SAME).any() for price, pair in zip(each, by_period, strict=True)):
        listed = ", ".join("nothing is sold" if price is None else amount(price) for price in each)
        if not any(np.abs(pair[1]).max() > SAME for price, pair in zip(each, by_period, strict=True) if price is None):
            return [f"a price for each period: {listed}"]
    if horizon > 1:
        later = tuple(np.concatenate(part) for part in zip(*by_period[1:], strict=True))
        price = _price(*later)
        if price is not None:
            return [f"fee plus price: an entry payment by the first report, then {amount(price)} for each item"]
        return _options(found)
    return []


def _options(found: Automaton) -> list[str]:
    """Whether every state after the first period offers the item at a price, and what it costs to leave it."""
    play, refunds = found.play, False
    strikes: set[str] = set()
    for t in range(1, play.horizon):
        useful = np.abs(play.values[t]).max(axis=2)[0] > 0
        for slot in found.example[t]:
            nodes = found.nodes(t, int(slot))
            nodes = nodes[play.reach[t][nodes] > 0]
            sold, paid = play.allocation[t][nodes] @ useful, play.payment[t][0][nodes]
            for whole in (0, 1):
                group = paid[np.abs(sold - whole) <= SAME]
                if len(group) and np.ptp(group) > SAME * max(1.0, float(np.abs(paid).max())):
                    return []
            if ((sold > SAME) & (sold < 1 - SAME)).any():
                return []
            left, taken = paid[sold <= SAME], paid[sold > SAME]
            refunds = refunds or bool(len(left) and left[0] < -SAME)
            if len(taken):
                strikes.add(amount(float(taken[0] - (left[0] if len(left) else 0.0))))
    if not strikes:
        return []
    prices = ", ".join(sorted(strikes, key=lambda text: (len(text), text))[:6]) + (", ..." if len(strikes) > 6 else "")
    if refunds:
        return [f"refund: who leaves the item gets money back; taking it costs {prices} more than leaving it"]
    return [f"option: the price of the item depends on what was reported before ({prices})"]
