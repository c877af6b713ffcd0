"""Bank account mechanisms, and mechanisms that do not know the future."""
