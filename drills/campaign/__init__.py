"""Campaigns: many trials of drills, here or on a cluster; each is begun once, written down as it ends, and counted."""
