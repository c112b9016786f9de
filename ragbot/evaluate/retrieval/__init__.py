"""Evaluate retrieval on judged questions."""
