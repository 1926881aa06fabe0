"""Faults on purpose: imports the product, is never imported by it."""
