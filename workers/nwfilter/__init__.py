"""The nwfilter driver: what the traffic of each guest port must look like, as libvirt filters, kept by nftables."""
