"""The command line with a host that is a fake."""
