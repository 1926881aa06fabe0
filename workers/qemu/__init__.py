"""The qemu driver: guests that outlive it, on disks of the storage driver, with keys of the secret driver."""
