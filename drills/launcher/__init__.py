"""A host that can be made to die at a line: the product as it is, started by a program that watches it from within."""
