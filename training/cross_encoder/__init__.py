"""Trains the heads that read two texts at once: does a passage answer, is a claim supported, what does a question carry over."""
