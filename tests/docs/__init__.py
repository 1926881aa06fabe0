"""Documents that cannot lie: their commands are run, their pictures are drawn from the code, their lists are complete."""
