"""Mechanisms explained from their own tables of states: promises, points of dual programs, states for ever."""
