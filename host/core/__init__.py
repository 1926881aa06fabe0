"""The pure core of the host: facts in, orders out; no clock, no IO."""
