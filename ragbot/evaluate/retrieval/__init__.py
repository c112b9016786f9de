"""Retrieval measured on judged questions."""
