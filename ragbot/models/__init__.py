"""The models behind ragbot. Nothing is loaded on import."""
