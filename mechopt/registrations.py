"""Which function does the work of a method that a value cannot do without importing a room above its own.

One line a method, or a format of files; see `mechopt.core.provided`.
"""

from mechopt.core.provided import register

register(
    {
        "ApproximateTransfers.verify": "mechopt.verification.contingent.report.verify_approximate",
        "BuyersPolicy.to_mechanism": "mechopt.solve.dual.mechanism.buyers_mechanism",
        "Comparison._repr_html_": "mechopt.show.notebook.comparison",
        "Comparison.save_plot": "mechopt.show.figures.axes.save_picture",
        "Comparison.plot": "mechopt.show.figures.comparison.ratio_bars",
        "Comparison.to_html": "mechopt.show.page.report.comparison_page",
        "ContingentTransfers.contents": "mechopt.closedform.contingent.files.contents",
        "ContingentTransfers.verify": "mechopt.verification.contingent.report.verify_contingent",
        "ContingentTransfers.to_mechanism": "mechopt.closedform.contingent.mechanism.contingent_mechanism",
        "EnvironmentBase._repr_html_": "mechopt.show.notebook.environment",
        "EnvironmentBase.to_toml": "mechopt.modelfile.from_environment.to_toml",
        "Explanation.__str__": "mechopt.show.explain.table.text",
        "Explanation._repr_html_": "mechopt.show.explain.page.table_html",
        "Explanation.plot": "mechopt.show.explain.picture.flow_picture",
        "Explanation.to_latex": "mechopt.show.formats.rules_latex",
        "Explanation.to_networkx": "mechopt.show.formats.state_graph",
        "Explanation.to_html": "mechopt.show.explain.page.explanation_page",
        "Fit._repr_html_": "mechopt.show.notebook.fit",
        "Fit.plot": "mechopt.show.figures.fit.fitted_law",
        "Frontier._repr_html_": "mechopt.show.notebook.frame",
        "Frontier.save_plot": "mechopt.show.figures.axes.save_picture",
        "Frontier.plot": "mechopt.show.figures.frontier.frontier_curve",
        "InterdependentTypes.first_best": "mechopt.closedform.pivot.first_best.interdependent",
        "MarkovTypes.first_best": "mechopt.closedform.pivot.first_best.markov",
        "Scenarios._repr_html_": "mechopt.show.notebook.environment",
        "SeparableTypes.first_best": "mechopt.closedform.pivot.first_best.separable",
        "MechanismMethods._repr_html_": "mechopt.show.notebook.mechanism",
        "MechanismMethods.explain": "mechopt.show.explain.explanation.explain_mechanism",
        "MechanismMethods.save": "mechopt.mechanism.archive.save",
        "MechanismMethods.simulate": "mechopt.mechanism.simulation.simulate",
        "MechanismMethods.to_frame": "mechopt.mechanism.frame.to_frame",
        "Optimum._repr_html_": "mechopt.show.notebook.optimum",
        "Optimum.explain": "mechopt.show.explain.explanation.explain_optimum",
        "Problem.solve": "mechopt.solve.methods.solve",
        "Report._repr_html_": "mechopt.show.notebook.report",
        "SeparableTypes.to_markov": "mechopt.environment.to_markov.to_markov",
        "Sweep._repr_html_": "mechopt.show.notebook.frame",
        "Sweep.save_plot": "mechopt.show.figures.axes.save_picture",
        "Sweep.plot": "mechopt.show.figures.sweep.sweep_plot",
        "VirtualPivot.contracts": "mechopt.closedform.virtual.menu.contracts",
        "VirtualPivot.diagnosis": "mechopt.closedform.virtual.menu.diagnosis",
        "VirtualPivot.direct_gain": "mechopt.closedform.virtual.direct.direct_gain",
        "VirtualPivot.to_mechanism": "mechopt.closedform.virtual.histories.sequence_mechanism",
        "VirtualPivot.with_ironing": "mechopt.closedform.virtual.pivot.virtual_pivot",
        "archive.mechopt contingent transfers 1": "mechopt.study.saved.read_transfers",
    }
)
