"""The drills, file by file."""
