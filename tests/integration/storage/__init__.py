"""The storage driver against real mounts, loop devices and images."""
