"""Pure functions over text: passages, sentences, tokens."""
