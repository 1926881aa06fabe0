"""The network driver against real bridges, rules and dnsmasq processes, in network namespaces of its own."""
