"""Answers to messages: understanding, evidence, checked sentences. Knows no door."""
