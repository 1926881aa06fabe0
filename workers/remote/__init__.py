"""The remote driver: drivers of other hosts used from here, and a door for those who come from there."""
