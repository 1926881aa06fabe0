"""The core, file by file: facts in, orders out, all of it judged."""
