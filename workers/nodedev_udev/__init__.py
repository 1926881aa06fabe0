"""The nodedev-udev driver: the devices of this machine, from /sys, the kernel's events and, where it runs, udev's."""
