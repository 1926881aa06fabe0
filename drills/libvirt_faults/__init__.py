"""What libvirt 9.0.0 does under five faults, as drills: each is done to a libvirtd, and in the same way to a host of ours."""
