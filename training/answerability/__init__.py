"""Training of the small models that come with ragbot, and later of those that learn from feedback. Needs torch."""
