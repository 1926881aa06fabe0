"""The language, tested without a host."""
