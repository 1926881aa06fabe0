"""Drivers for the race of 2014, that stand in for the built-in ones of the same name: a slow one, and one as it was then."""
