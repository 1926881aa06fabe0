"""Programs that stand for our peers: each runs on its own, and knows nothing of tierhost."""
