"""The real core among fake workers, under a seed: safety while faults rain, liveness once they stop."""
