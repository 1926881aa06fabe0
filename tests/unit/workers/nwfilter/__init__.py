"""The nwfilter driver's pure parts."""
