"""The parts of the interface driver, each by itself."""
