"""The network driver's pure parts."""
