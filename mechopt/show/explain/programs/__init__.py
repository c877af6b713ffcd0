"""Programs whose variables are payments by state: cells, optimal faces, and criteria in turn."""
