"""What `make bench` measures: us beside our peers, in one run, each figure with its spread."""
