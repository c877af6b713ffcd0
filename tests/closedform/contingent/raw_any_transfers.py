"""Transfers of any kind by a plain program, and what a refusal must prove."""

from dataclasses import replace

import numpy as np
from scipy.optimize import linprog

from tests.interdependent_instances import random_environment

SIZES = ((2, 2), (3, 3), (2, 3), (2, 2, 2), (3, 2, 2), (1, 3), (2, 2, 2, 2))


def instance(seed, horizon, private_last=True):
    """Sizes, control, cost and dependence by the seed; half of them fail convex independence."""
    rng = np.random.default_rng(1000 + seed)
    sizes = SIZES[seed % len(SIZES)]
    env = random_environment(
        seed,
        sizes=sizes,
        actions=2 + seed % 2,
        horizon=horizon,
        controlled=seed % 3 != 0,
        cost=seed % 4 == 0,
        private_last=private_last and horizon != "infinite",
    )
    if seed % 2:
        return env
    kernels = []  # the first agent's last signal moves the signals as a mixture of her others', or as the first one
    for kernel in env.kernel:
        changed = kernel.copy() if kernel.strides[0] else kernel[:1].copy()
        weights = rng.dirichlet(np.ones(max(sizes[0] - 1, 1)))
        changed[:, -1] = np.einsum("as...,s->a...", changed[:, : len(weights)], weights)
        kernels.append(changed if kernel.strides[0] else changed[0])
    return replace(env, kernel=tuple(kernels))


def row(env, policy, i, t, reported, true, width, columns):
    """Coefficients and right-hand side of V(true) - d E V' + d E p >= u, in plain loops."""
    values, payments = columns
    a, following = policy[t][reported], min(t + 1, env.stages - 1)
    coefficients, side = np.zeros(width), env.values[i][t][(a, *true)]
    coefficients[values[t, true]] += 1
    for then in np.ndindex(env.kernel[t].shape[1 + env.agents :]):
        probability = env.discount * env.kernel[t][(a, *true, *then)]
        others = tuple(s for j, s in enumerate(then) if j != i)
        coefficients[payments[t, reported, others]] += probability
        if (following, then) in values:
            coefficients[values[following, then]] -= probability
        else:  # the last period: its value is what is got less what is paid there
            side += probability * env.values[i][following][(policy[following][then], *then)]
            coefficients[payments[following, then, ()]] += probability
    return coefficients, side


def plain_program(env, policy, i):
    """Least largest payment of agent i by one linear program; None where there are no transfers."""
    last = -1 if env.infinite else env.stages - 1
    values, payments = {}, {}
    for t in range(len(env.kernel)):
        for s in np.ndindex(env.shape[t]):
            values[t, s] = len(values) + len(payments)
    for t in range(len(env.kernel)):
        then = env.shape[min(t + 1, env.stages - 1)]
        for s in np.ndindex(env.shape[t]):
            for others in np.ndindex(tuple(n for j, n in enumerate(then) if j != i)):
                payments[t, s, others] = len(values) + len(payments)
    if last >= 0:
        for s in np.ndindex(env.shape[last]):
            payments[last, s, ()] = len(values) + len(payments)
    width = len(values) + len(payments) + 1
    above, limit, even, side = [], [], [], []
    for t in range(len(env.kernel)):
        for reported in np.ndindex(env.shape[t]):
            for k in range(env.shape[t][i]):
                true = (*reported[:i], k, *reported[i + 1 :])
                coefficients, wanted = row(env, policy, i, t, reported, true, width, (values, payments))
                if true == reported:
                    even, side = [*even, coefficients], [*side, wanted]
                else:
                    above, limit = [*above, -coefficients], [*limit, -wanted]
    if last >= 0:
        for reported in np.ndindex(env.shape[last]):
            for k in range(env.shape[last][i]):
                true = (*reported[:i], k, *reported[i + 1 :])
                coefficients = np.zeros(width)
                coefficients[payments[last, true, ()]] += 1
                coefficients[payments[last, reported, ()]] -= 1
                above.append(coefficients)
                own = env.values[i][last]
                limit.append(own[(policy[last][true], *true)] - own[(policy[last][reported], *true)])
    for column in payments.values():
        for sign in (1, -1):
            bound = np.zeros(width)
            bound[column], bound[-1] = sign, -1
            above, limit = [*above, bound], [*limit, 0.0]
    found = linprog(
        np.eye(width)[-1],
        np.array(above),
        limit,
        np.array(even) if even else None,
        side if even else None,
        bounds=[(None, None)] * (width - 1) + [(0, None)],
    )
    assert found.status in (0, 2)
    return found.fun if found.status == 0 else None


def best_response_gain(found, i):
    """What the best strategy of all gains over the truth at the worst signals: value iteration, or from the end."""
    env, policy = found.environment, found.policy

    def payoff(t, true, r, later):
        reported = (*true[:i], r, *true[i + 1 :])
        a, others = policy[t][reported], tuple(s for j, s in enumerate(true) if j != i)
        due = np.expand_dims(found.payments[t][i][(a, *others, r)], i)  # on the others' next signals
        return env.values[i][t][(a, *true)] + env.discount * (env.kernel[t][(a, *true)] * (later - due)).sum()

    def sweep(t, truth, best):
        told, lied = np.zeros(env.shape[t]), np.zeros(env.shape[t])
        for true in np.ndindex(env.shape[t]):
            told[true] = payoff(t, true, true[i], truth)
            lied[true] = max(payoff(t, true, r, best) for r in range(env.shape[t][i]))
        return told, lied

    if env.infinite:
        truth = best = np.zeros(env.shape[-1])
        for _ in range(330):  # 0.9 ** 330 < 1e-15
            truth, best = sweep(env.stages - 1, truth, best)
        for t in reversed(range(env.stages - 1)):
            truth, best = sweep(t, truth, best)
        return (best - truth).max()
    last, own = env.stages - 1, env.values[i][-1]
    truth, best = np.zeros(env.shape[last]), np.zeros(env.shape[last])
    for true in np.ndindex(env.shape[last]):
        options = []
        for r in range(env.shape[last][i]):
            reported = (*true[:i], r, *true[i + 1 :])
            options.append(own[(policy[last][reported], *true)] - found.last_payments[i][reported])
        truth[true], best[true] = options[true[i]], max(options)
    for t in reversed(range(last)):
        truth, best = sweep(t, truth, best)
    return (best - truth).max()


def farkas_is_right(env, proof, policy):
    """Multipliers times the rows of this file: all unknowns cancel, and 0 >= a positive number is left."""
    total, left, numbers = 0, {}, env.exact or env
    for share in proof.shares:
        i, t = share.agent, share.period
        true = tuple(np.insert(share.others, i, share.signal))
        reported = tuple(np.insert(share.others, i, share.report))
        a, y = policy[t][reported], share.multiplier
        assert share.action == a and (y >= 0 or share.signal == share.report)

        def add(key, amount, y=y):
            left[key] = left.get(key, 0) + y * amount

        own = numbers.values[i][t]
        if share.kind == "last":
            assert not env.infinite and t == env.stages - 1
            add(("q", true), -1)
            add(("q", reported), 1)
            total += y * (own[(a, *true)] - own[(policy[t][true], *true)])
            continue
        assert share.kind == ("truth" if share.signal == share.report else "misreport")
        kernel, discount = numbers.kernel[t], numbers.discount
        following = min(t + 1, env.stages - 1)
        add(("V", t, true), 1)
        total += y * own[(a, *true)]
        for then in np.ndindex(kernel.shape[1 + env.agents :]):
            probability = discount * kernel[(a, *true, *then)]
            others = tuple(s for j, s in enumerate(then) if j != i)
            add(("p", t, reported, others), probability)
            if env.infinite or following < env.stages - 1:
                add(("V", following, then), -probability)
            else:
                total += y * probability * numbers.values[i][following][(policy[following][then], *then)]
                add(("q", then), probability)
    if env.exact is None:
        return total > 1e-6 and max(abs(float(amount)) for amount in left.values()) <= 1e-9
    return total == proof.contradiction > 0 and all(amount == 0 for amount in left.values())
