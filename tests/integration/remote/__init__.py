"""Two real hosts: one uses drivers of the other, over a socket of this machine or over CURVE on loopback."""
