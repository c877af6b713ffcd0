from .show.figures.horizon import bracket_curve as bracket_curve
from .show.figures.lemmas import asymptotic_losses as asymptotic_losses
from .show.figures.lemmas import charging_paths as charging_paths
from .show.figures.lemmas import price_trade_off_curve as price_trade_off_curve
from .show.figures.paths import balance_paths as balance_paths
from .show.figures.paths import price_path as price_path
from .show.figures.simplex import column_simplex as column_simplex
from .show.figures.tree import mechanism_tree as mechanism_tree
