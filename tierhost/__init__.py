"""tierhost: every state driver in a worker process of its own, started tier by tier, exactly restartable."""

__version__ = "0.1.0"

__all__ = ["__version__"]
