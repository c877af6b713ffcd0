"""A mechanism as states instead of histories: its memory, rules and payments in the model's own words."""
