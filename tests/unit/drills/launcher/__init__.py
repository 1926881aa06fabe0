"""What mirrors drills/launcher/."""
