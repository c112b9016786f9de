"""Evaluate retrieval and answers on judged question sets: read a set, run it, measure, compare. Prints nothing."""
