"""The program where types are independent across periods: columns, rows by constraint, and back."""
