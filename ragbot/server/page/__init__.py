"""The page for people: HTML over the same service that the other doors use. It needs no script to ask, read and open a source."""
