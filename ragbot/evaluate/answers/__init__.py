"""Evaluate answers on questions with reference answers."""
