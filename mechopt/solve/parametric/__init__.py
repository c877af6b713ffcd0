"""Optima as functions of a parameter: pieces on which one basis stays optimal, found over the rational functions."""
