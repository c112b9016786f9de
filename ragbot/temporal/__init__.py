"""Time: when things are so in the world, and what later words do to earlier ones."""
