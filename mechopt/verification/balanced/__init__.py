"""Checks of balanced mechanisms, whose payments depend on the last profile of reports and the current one."""
