"""Bugs planted in the product on purpose, one at a time: the drills must catch them. `python -m tests.mutants` runs them."""
