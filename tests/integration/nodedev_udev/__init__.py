"""The nodedev-udev driver against this kernel: its own network and /sys, real loops, a udevd of its own."""
