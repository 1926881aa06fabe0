"""A qemu driver that does what libvirt does: it looks at guests once, and tries once."""
