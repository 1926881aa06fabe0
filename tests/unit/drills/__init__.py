"""What mirrors drills/."""
