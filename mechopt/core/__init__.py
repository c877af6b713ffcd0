"""What every room stands on: errors and exact numbers."""
