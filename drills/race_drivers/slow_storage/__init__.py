"""The storage driver, on storage that takes its time."""
