r"""Transfers that stay right for every kernel of a set.

Nature picks, at every history of signals and actions anew, a distribution of the next signals out of the set of that
action and profile (`mechopt.environment.kernels`). The truth has to be best whatever nature does. With L and U the
least and the largest that the truth can be worth to agent i,

    U(s) >= u(a(s), s) + d q.(U' - p_s),      L(s) <= u(a(s), s) + d q.(L' - p_s)        for all q of the set of a(s), s

report r, which leads to the profile m and the action a(m), gains nothing exactly where for all q of the set

    a(m) = a(s)                                            q.(p_m - p_s) >= 0
    transitions of the period do not depend on actions     u(a(s), s) - u(a(m), s) + d q.(L' - U' + p_m - p_s) >= 0
    else (q of the set of a(m), s)                         L(s) >= u(a(m), s) + d q.(U' - p_m)

In the first two cases truth and misreport face the same q; L' - U' is left out where no later transitions depend on
actions, as what comes later is then the same. In the third nature may treat the two actions as differently as it likes.
For one fixed but unknown kernel of the set the conditions are sufficient; where no transitions depend on actions they
are necessary too.

All is linear in p, L and U for each q, and extreme points of the sets are enough: `program` adds those that are
violated until none is (cutting planes), `transfers` puts the result together, in fractions too.

Source: Ben-Tal, El Ghaoui and Nemirovski (2009), Robust Optimization, chapter 1; Iyengar (2005), Robust dynamic
programming; on the class of Liu (2025).
"""
