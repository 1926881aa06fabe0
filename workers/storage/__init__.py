"""The storage driver: pools and volumes, what is active, and what a guest needs to know of its disks."""
