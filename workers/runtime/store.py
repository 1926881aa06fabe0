"""What must survive a crash: a small mirrored SQLite store of maps, with intents and recorded replies."""
