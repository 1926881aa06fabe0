"""Faults that strike real processes."""
