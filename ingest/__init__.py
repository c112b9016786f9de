"""Documents into a ragbot memory: readers, sources, the `ingest` command."""
