"""Secrets, storage and guests together, on a real host."""
