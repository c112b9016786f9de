"""The `ingest` command."""
