"""Rules that a machine can judge: who imports whom, how long things are, which words and calls are not used."""
