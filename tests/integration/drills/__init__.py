"""Drills, run as their users run them."""
