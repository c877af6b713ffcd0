"""Which function does the work of a method that a value cannot do without importing a room above its own.

One line a method; see `mechopt.core.provided`.
"""

from mechopt.core.provided import register

register(
    {
        "BankAccountMechanism.explain": "mechopt.show.explain.explanation.explain_mechanism",
        "BuyersPolicy.explain": "mechopt.show.explain.explanation.explain_mechanism",
        "BuyersPolicy.to_mechanism": "mechopt.solve.dual.mechanism.buyers_mechanism",
        "Comparison.plot": "mechopt.show.figures.comparison.ratio_bars",
        "Comparison.to_html": "mechopt.show.page.report.comparison_page",
        "ContingentTransfers.save": "mechopt.closedform.contingent.files.save",
        "ContingentTransfers.to_mechanism": "mechopt.closedform.contingent.mechanism.contingent_mechanism",
        "Explanation._repr_html_": "mechopt.show.explain.page.table_html",
        "Explanation.plot": "mechopt.show.explain.picture.flow_picture",
        "Explanation.to_html": "mechopt.show.explain.page.explanation_page",
        "Fit.plot": "mechopt.show.figures.fit.fitted_law",
        "Frontier.plot": "mechopt.show.figures.frontier.frontier_curve",
        "Mechanism.explain": "mechopt.show.explain.explanation.explain_mechanism",
        "MovingPolicy.explain": "mechopt.show.explain.explanation.explain_mechanism",
        "Optimum.explain": "mechopt.show.explain.explanation.explain_optimum",
        "PromisePolicy.explain": "mechopt.show.explain.explanation.explain_mechanism",
        "SeparableTypes.to_markov": "mechopt.environment.to_markov.to_markov",
        "SequenceMechanism.explain": "mechopt.show.explain.explanation.explain_mechanism",
        "Sweep.plot": "mechopt.show.figures.sweep.sweep_plot",
        "VirtualPivot.contracts": "mechopt.closedform.virtual.menu.contracts",
        "VirtualPivot.diagnosis": "mechopt.closedform.virtual.menu.diagnosis",
        "VirtualPivot.direct_gain": "mechopt.closedform.virtual.direct.direct_gain",
        "VirtualPivot.to_mechanism": "mechopt.closedform.virtual.histories.sequence_mechanism",
        "VirtualPivot.with_ironing": "mechopt.closedform.virtual.pivot.virtual_pivot",
    }
)
