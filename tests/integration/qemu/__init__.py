"""The qemu driver with real guests."""
