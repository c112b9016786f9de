"""Doors for other libraries: each is imported on purpose, by who has that library."""
