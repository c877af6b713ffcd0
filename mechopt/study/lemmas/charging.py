r"""The proof of Theorem 6.1, path by path: which part of the optimum each part of the balance mechanism covers.

Write the clairvoyant optimum as a bank account: what is paid beyond spends, :math:`p'^*`, spends :math:`s^*` and
balances :math:`b^*`. The balance mechanism (`mechopt.non_clairvoyant_balance`) has weights m, f, f of Myerson's, the
second-price and the money-burning auction: 1/5, 2/5, 2/5, and with one buyer 1/3 each. In every period :math:`p'^*` is
paid in a rational and incentive compatible auction, so that :math:`E \sum p'^* \le E \sum p^M`: Myerson's part covers
the share m of it. For spends, on **every** path of reports, after every period t and for every buyer i,

.. math::
    b^i_t + \sum_{\tau \le t} s^i_\tau &\ge f \Bigl(b^{*i}_t + \sum_{\tau \le t} s^{*i}_\tau
        - \sum_{\tau \le t} \theta^{(2)}_\tau x^{*i}_\tau\Bigr),                                    \tag{D.1}\\
    \sum_{\tau \le t} s^i_\tau + \sum_{\tau \le t} c^i_\tau + f \sum_{\tau \le t} \theta^{(2)}_\tau x^{*i}_\tau
        &\ge f \sum_{\tau \le t} s^{*i}_\tau, \qquad c^i_t = \min(f s^{*i}_t, b^i_{t-1}),     \tag{D.2, D.3}

and :math:`\sum_i c^i_t \le \sum_i s^i_t`, since the optimum's auction of the period, scaled down to the balances, is
one that money burning chooses from. Summed over buyers, :math:`2 \sum s + f \sum \theta^{(2)} \ge f \sum s^*` on every
path: half of f of the spends is covered by spends and the second-price auction's revenue :math:`f \sum \theta^{(2)}`.
With one buyer :math:`\theta^{(2)} = 0` and more is true (section 4): :math:`\sum s \ge f \sum s^*` on every path.

With several buyers (D.1) rests on :math:`d^{*i} \le \theta^i x^{*i}`, that is on :math:`p'^{*i} \ge 0` on every path.
DIC and (BI) leave what a buyer pays free to depend on the others' reports as long as its mean is right: an optimum that
pays a buyer on some paths breaks (D.1) there. Its slack is measured, not assumed.

The supplement prints (D.2)'s premise :math:`s^{*i}_t \le b^{*i}_{t-1}` without the star on the left. Money is present
value. Source: Mirrokni, Paes Leme, Tang and Zuo (2020), Theorem 6.1 and supplement D.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from mechopt.closedform.bank.conversions import bank_account
from mechopt.closedform.bank.mechanism import BankAccountMechanism, unrolled
from mechopt.closedform.bank.non_clairvoyant import non_clairvoyant_balance
from mechopt.closedform.bank.stage import Stage, over_profiles
from mechopt.closedform.static.repeated import repeated_myerson, repeated_second_price
from mechopt.core.errors import InputError
from mechopt.core.numbers import FloatArray
from mechopt.environment.independent import IndependentTypes
from mechopt.environment.require_kind import require_kind
from mechopt.mechanism.direct import Mechanism
from mechopt.mechanism.outcome import own_values
from mechopt.solve.optimum import optimum

if TYPE_CHECKING:
    import pandas as pd

INEQUALITIES = ("D.1", "charges", "D.2-D.3", "sum")


@dataclass(frozen=True, eq=False, repr=False)
class Charging:
    """Cover of the optimum's spends, on every path of reports and in expectation.

    Attributes
    ----------
    environment : IndependentTypes
    share : float
        f, the weight of the second-price and of the money-burning auction.
    slack : mapping from ``"D.1"``, ``"charges"``, ``"D.2-D.3"``, ``"sum"`` to float
        Least amount by which each inequality holds, over paths, periods and buyers; present value. ``"charges"``:
        spends less charges of a period; ``"sum"``: after the last period, summed over buyers.
    reach : array ``(paths,)``
        Probability of each path of reports.
    spends, optimal_spends, second : arrays ``(paths,)``
        Spends of the balance mechanism and of the optimum, all buyers together, and second-highest values, on each
        path.
    left : array ``(paths,)``
        Slack of the sum on each path.
    behind : array ``(n, T)``
        How likely a buyer's balance is too small for the share f of the optimum's spend (the set B of the proof).
    covered : mapping from part of the optimum to what it is worth, what is claimed of it and what covers it
        ``"paid"`` (by Myerson's auction) and ``"spent"`` (by spends and the second-price auction); expected.
    revenue : float
        Of the balance mechanism.
    optimum : float
        Revenue of the clairvoyant mechanism.
    """

    environment: IndependentTypes
    share: float
    slack: Mapping[str, float]
    reach: FloatArray
    spends: FloatArray
    optimal_spends: FloatArray
    second: FloatArray
    left: FloatArray
    behind: FloatArray
    covered: Mapping[str, tuple[float, float, float]]
    revenue: float
    optimum: float

    def to_frame(self) -> pd.DataFrame:
        """One row a path: its probability, spends, second-highest values, the optimum's spends and the slack."""
        import pandas as pd

        columns = ("reach", "spends", "second", "optimal_spends", "left")
        return pd.DataFrame({name: getattr(self, name) for name in columns})

    def __repr__(self) -> str:
        numbers = ", ".join(f"{name} {value:.3g}" for name, value in self.slack.items())
        return f"Charging({self.reach.size} paths, least slack: {numbers})"


def charging(environment: IndependentTypes, mechanism: Mechanism | None = None) -> Charging:
    """Follow the proof of Theorem 6.1 on every path of reports.

    Parameters
    ----------
    environment : IndependentTypes
        Without costs; with few enough histories for its optimum.
    mechanism : Mechanism, optional
        The clairvoyant mechanism that is charged, satisfying DIC and EPIR; default an optimum that the program finds.

    Raises
    ------
    InputError
        If there are costs: the mechanism is then one for what items are worth above them, and so is its proof. Or if
        the given mechanism does not satisfy DIC or EPIR.

    Examples
    --------
    >>> env = IndependentTypes.iid([1, 4], ["1/2", "1/2"], horizon=3)
    >>> found = charging(env)
    >>> min(found.slack.values()) > -1e-9, found.revenue >= found.optimum / 3
    (True, True)
    """
    require_kind(environment, "independent", "charging")
    if environment.cost.any() or environment.seller_values is not None:
        raise InputError("charging is for items without cost; the balance mechanism values them above cost")
    charged: Any = mechanism
    if charged is None:
        charged = optimum(environment, method="program").require_optimal().mechanism
    account, balance = bank_account(charged), non_clairvoyant_balance(environment)
    return _Follower(environment, account, balance).run(charged.revenue)


class _Follower:
    """Both bank accounts on all histories at once: sums so far by buyer and history."""

    def __init__(
        self, environment: IndependentTypes, account: BankAccountMechanism, balance: BankAccountMechanism
    ) -> None:
        self.environment, self.account, self.balance = environment, account, balance
        self.share = 1 / 3 if environment.agents == 1 else 2 / 5
        self.slack = dict.fromkeys(INEQUALITIES, np.inf)
        start = np.zeros((environment.agents, 1))
        self.sums = {name: start for name in ("spends", "optimal", "charges", "second", "all second")}
        self.behind = np.zeros((environment.agents, environment.horizon))

    def run(self, best: float) -> Charging:
        """Go through the periods."""
        env, paid = self.environment, 0.0
        stages = zip(unrolled(self.balance), unrolled(self.account), strict=True)
        for t, (ours, theirs) in enumerate(stages):
            self._period(t, ours, theirs)
            reach = self.account.tree.reach[t + 1]
            beyond = theirs.payment - over_profiles(theirs.spend, env.agents)
            paid += float(beyond.reshape(env.agents, -1).sum(axis=0) @ reach)
        reach = np.asarray(self.account.tree.reach[-1])
        spends, optimal, second = (self.sums[name].sum(axis=0) for name in ("spends", "optimal", "all second"))
        second = second / env.agents
        twice = 1 if env.agents == 1 else 2
        left = twice * spends + self.share * (second - optimal)
        self.slack["sum"] = float(left.min())
        weight = 1 / 3 if env.agents == 1 else 1 / 5
        static, filled = repeated_myerson(env).revenue, self.share * repeated_second_price(env).revenue
        spent = float(optimal @ reach)
        covered = {
            "paid": (paid, weight * paid, weight * static),
            "spent": (spent, weight * spent, float(spends @ reach) + filled),
        }
        return Charging(
            env,
            self.share,
            MappingProxyType(self.slack),
            reach,
            spends,
            optimal,
            second,
            left,
            self.behind,
            MappingProxyType(covered),
            self.balance.revenue,
            best,
        )

    def _period(self, t: int, ours: Stage, theirs: Stage) -> None:
        env, share = self.environment, self.share
        shape = theirs.allocation.shape
        charge = np.minimum(share * theirs.spend, ours.balance)
        self._least("charges", (ours.spend - charge).sum(axis=0))
        reach = np.asarray(self.account.tree.reach[t])
        self.behind[:, t] = (ours.balance <= share * theirs.spend) @ reach
        values = np.broadcast_to(env.present_value[t] * own_values(self.account.tree, t), shape)
        top = np.sort(values, axis=0)
        second = np.broadcast_to(top[-2] if env.agents > 1 else np.zeros_like(top[0]), shape)
        added = {
            "spends": over_profiles(ours.spend, env.agents),
            "optimal": over_profiles(theirs.spend, env.agents),
            "charges": over_profiles(charge, env.agents),
            "second": second * theirs.allocation,
            "all second": second,
        }
        self.sums = {
            name: (over_profiles(self.sums[name], env.agents) + np.broadcast_to(part, shape)).reshape(env.agents, -1)
            for name, part in added.items()
        }
        ours_after, theirs_after = (stage.next_balance.reshape(env.agents, -1) for stage in (ours, theirs))
        spends, optimal, charges, sold = (self.sums[name] for name in ("spends", "optimal", "charges", "second"))
        self._least("D.1", ours_after + spends - share * (theirs_after + optimal - sold))
        self._least("D.2-D.3", spends + charges + share * (sold - optimal))

    def _least(self, name: str, slack: FloatArray) -> None:
        self.slack[name] = min(self.slack[name], float(slack.min()))
