"""The `ragbot` command."""
