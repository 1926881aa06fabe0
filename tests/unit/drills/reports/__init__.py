"""Reports of hand-made runs."""
