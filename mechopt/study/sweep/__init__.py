"""Many instances, each recorded by itself; stopped and resumed at will."""
