"""The network driver: virtual networks of bridges, filter tables and DHCP servers, and the ports guests plug into."""
