"""What mirrors host/."""
