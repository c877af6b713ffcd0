"""Contingent transfers as a mechanism over public histories, checked and compared as all others are.

At a node of period t the action is that of the rule at the reported signals. Agent i pays what is due from period
t - 1, by the action and the reports there and the others' reports now, and in the last period what its allocation asks
for. Only transfers that are due one period later are written out so.
"""

from __future__ import annotations

import numpy as np

from mechopt.closedform.contingent.result import ContingentTransfers
from mechopt.core.errors import InputError, require_type
from mechopt.core.numbers import FloatArray
from mechopt.environment.process import joint_process
from mechopt.histories.public import PublicTree
from mechopt.mechanism.constraints import PeriodicExPostIC
from mechopt.mechanism.sequence import SequenceMechanism


def contingent_mechanism(transfers: ContingentTransfers) -> SequenceMechanism:
    """Write contingent transfers out over public histories.

    Parameters
    ----------
    transfers : ContingentTransfers
        With a finite horizon, not stacked.

    Raises
    ------
    InputError
        If they are stacked, or the horizon is infinite.
    """
    require_type(
        transfers,
        ("ContingentTransfers", "ApproximateTransfers"),
        "contingent_mechanism",
        "give mo.contingent_transfers(env)",
    )
    if transfers.method == "stacked" or transfers.last_payments is None:
        raise InputError(
            "transfers that are stacked, or have no last period, are not written out over histories; "
            "mo.mechanisms.check_contingent checks them as they are"
        )
    tree = PublicTree(joint_process(transfers.environment))
    process, agents = tree.process, range(tree.process.agents)
    policy, payment = [], []
    for t in range(tree.horizon):
        types = process.types(t)[:, tree.profile[t]]
        policy.append(transfers.policy[t][tuple(types)])
        paid: FloatArray = np.zeros((len(agents), tree.count[t]))
        if t == 0 and transfers.fees:
            paid += np.array(transfers.fees)[:, np.newaxis]
        if t:
            node, _ = tree.came(t)
            before = node[tree.slot[t]]
            past, action = process.types(t - 1)[:, tree.profile[t - 1][before]], policy[t - 1][before]
            for i in agents:
                others = [j for j in agents if j != i]
                own = (past[i],) if transfers.payments[t - 1][i].ndim == 2 * len(agents) else ()
                paid[i] = transfers.payments[t - 1][i][(action, *past[others], *own, *types[others])]
        if t == tree.horizon - 1:
            paid += np.stack([part[tuple(types)] for part in transfers.last_payments])
        payment.append(paid)
    return SequenceMechanism.of_policy(tree, policy, payment, (PeriodicExPostIC(),), transfers.source)
