"""Derived indexes. Everything here can be thrown away and made again from the store."""
