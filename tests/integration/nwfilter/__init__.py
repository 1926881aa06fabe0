"""The nwfilter driver over real nftables, judged by frames that arrive or do not."""
