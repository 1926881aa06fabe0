"""What mirrors drills/kill_points/."""
