"""The parts of the nodedev-udev driver, each by itself."""
