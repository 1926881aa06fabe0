"""The parts of the nodedev-hal driver, each by itself."""
