"""The program where types persist, in sequence form over public histories."""
