from .show.figures.horizon import bracket_curve as bracket_curve
from .show.figures.paths import balance_paths as balance_paths
from .show.figures.paths import price_path as price_path
from .show.figures.simplex import column_simplex as column_simplex
from .show.figures.tree import mechanism_tree as mechanism_tree
