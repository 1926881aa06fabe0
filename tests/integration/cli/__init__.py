"""The command line as a person and a script use it: real processes, a real terminal, a real host."""
