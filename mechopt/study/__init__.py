"""What a user does with the numbers: compare mechanisms, search for worst cases."""
