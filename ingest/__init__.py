"""Documents into a ragbot memory: readers, sources, the `ingest` command."""

import logging

logging.getLogger(__name__).addHandler(logging.NullHandler())
