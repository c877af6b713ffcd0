"""When lifetime utilities determine a mechanism, whatever constraints there are on payments by period."""

from __future__ import annotations

from mechopt.mechanism.constraints import DIC, EPIR, INDU, PPIC, PPIR, Notion, PeriodicIR, SuperDIC, closure


def lifetime_suffices(ic: tuple[Notion, ...], ir: tuple[Notion, ...]) -> bool:
    """Whether the optimum is that under DIC and lifetime participation: one of two payment timings satisfies the rest.

    *Bank*: realised utility follows expected lifetime utility, which satisfies PPIC and INDU given DIC, and all
    participation constraints but PPIR and periodic IR. *Rebate*: a sale is charged at the reported value, and lifetime
    utility is paid at the end, which given EPIR satisfies all participation constraints, but neither PPIC nor INDU.
    (Mirrokni et al. 2020, Lemmas 3.2, A.3, B.1.)
    """
    implied = closure(ic)
    if DIC() not in implied or SuperDIC() in implied:
        return False
    bank = not set(ir) & {PPIR(), PeriodicIR()}
    return bank or (not set(ic) & {PPIC(), INDU()} and EPIR() in closure(ir))
