"""State drivers, one folder each, and the runtime that every worker process runs."""
