"""What strangers write, made harmless before a generator or a person sees it."""
