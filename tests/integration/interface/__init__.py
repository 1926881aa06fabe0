"""The interface driver against the kernel, in network namespaces of its own."""
