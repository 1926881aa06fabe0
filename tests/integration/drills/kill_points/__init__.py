"""Drills at kill points, for real."""
