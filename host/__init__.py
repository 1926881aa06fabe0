"""The host: starts drivers tier by tier and keeps the rest serving while any one of them fails."""
