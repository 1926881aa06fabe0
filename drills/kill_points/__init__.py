"""Kill points, exhaustively: every place at which an operation can be cut off is found, struck once, and judged."""
