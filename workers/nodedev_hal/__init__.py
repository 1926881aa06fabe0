"""The nodedev-hal driver: the devices of a machine whose HAL daemon knows them, over D-Bus."""
