"""Cells of a CSV file that a spreadsheet would run as a formula: a public name of `data.formula_cells`."""

from classification.data.formula_cells import guarded, guarded_names, is_formula, unguarded

__all__ = ["guarded", "guarded_names", "is_formula", "unguarded"]
