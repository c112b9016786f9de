"""Answers measured on questions with known answers."""
