"""The thin IO around the core: processes, sockets, clock, signals, journal."""
