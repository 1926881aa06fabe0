"""Each judge with histories that it must convict, acquit, and know nothing about."""
