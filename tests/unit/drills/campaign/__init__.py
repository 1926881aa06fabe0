"""Campaigns, without running any: plans, outcomes, counting."""
