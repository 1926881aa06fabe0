"""The shell, file by file, with fakes for what it holds open."""
