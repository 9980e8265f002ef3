"""One module for each kind of work, each with a list ROWS (see registry.py)."""
