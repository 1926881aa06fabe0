"""The secret driver: keeps passphrases and keys, and hands them to the workers that need them."""
