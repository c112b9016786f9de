"""What keeps a home in order: spaces, refresh, checks, backups, the background builder."""
