"""Unit tests of the remote driver."""
