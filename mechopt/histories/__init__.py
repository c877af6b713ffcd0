"""Public histories as arrays: reports where types are independent, reports and actions where they persist."""
