r"""Every transfer that exists: the class of the slides as one linear program, without a condition on the signals.

Agent i pays p_i(th'^-i, r; a, th^-i) in the next period. With her truthful value V_i left free, the truth is a periodic
ex post equilibrium of a rule a(.) exactly where, for all signals th^-i of the others, true signals k and reports r with
the action a = a(r, th^-i)::

    V_i(k) >= u_i(a, k) + d E[V_i(th') - p_i(th'^-i, r; a, th^-i) | a, k],     with equality for r = k

one-shot deviations suffice, because after every report an agent's continuation is V_i less what that report owes.
Lemma A.3 of the slides adds V_i = W, its equality (i), and so asks for more: convex independence is sufficient for such
transfers, not necessary. With an infinite horizon V_i and p_i are stationary and there is one program; with a finite
one V_i and p_i are by period, and the last allocation is paid for at once (Assumption 4), or one action is taken.

`numbers` holds the data of an environment as floats or as fractions, `rows` writes the inequalities down,
`requirements` adds participation, payment caps and budget balance, `optimum` solves, `exactly` makes a solution exact,
`infeasible` proves that there is none, `possible` puts it all together; `closed_exact` has the theorems in fractions,
`places` the systems that they solve, `tables` everything as tables.

Source: Liu (2025), section 3 and Lemma A.3, without its equality (i).
"""
