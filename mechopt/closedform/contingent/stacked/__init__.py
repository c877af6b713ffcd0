r"""Contingent transfers over several future periods, where what the others see next does not tell enough.

What agent i saw in period t may show in the others' signals of t + 1, ..., t + L together, though in none alone. With
M_{t+k} the distributions of the others' signals k periods later by own signal, the transfers p_{t+k} about period t
solve

    sum_k d^k M_{t+k}' p_{t+k} = d c(a, th)

for the target c of one step: spanning or convex independence is asked of the stack of the d^k M_{t+k}, divided by
sum_k d^k so that its columns sum to 1. The last periods have fewer than L ahead and fall back on these.

Where transitions do not depend on actions, no later report moves what is still due: any horizon, either condition
(`marginals`), and the joint distribution of these periods may be used instead of that of each (`joint`).

Where they do, the slides' transfers fail: the distribution of p_{t+2} depends on a_{t+1}, which agent i's next report
moves, and a_{t+1} is chosen by what was seen, not imposed. With a finite horizon this corrects it: distributions are
those under the rule from t + 1 on; and with l(a, th) the expected present value of what is still due from earlier, the
target of every period is raised by (l(a_t(th), th) - l(a, th))/d, so that what is due is as if the rule's action had
been taken. Truth is then worth W less l, and a report no more. Targets depend on what was promised before, and so do
the transfers: on all earlier actions and others' signals under spanning (`marginals`), on all earlier reports where
they depend on own ones or use joint distributions (`by_history`). For an infinite horizon these histories are
unbounded, no construction is proved to work, and this is refused; method "any" asks for no stack.

Source: Liu (2025), Propositions 5.3 (convex independence) and 5.4 (spanning), for finite signals and the stack.
"""
