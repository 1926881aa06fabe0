"""Drills, piece by piece: mirrors the folder `drills`."""
