"""The interface driver: bridges, bonds, vlans and network cards of this machine, as libvirt's interface XML defines them."""
