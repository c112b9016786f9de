"""How well the memory finds what judged questions ask for. Reads sets, asks, measures, compares; prints nothing."""
