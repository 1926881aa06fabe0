"""The secret driver in its own worker, on a real host."""
