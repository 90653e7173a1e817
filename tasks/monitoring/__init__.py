"""What the world does to a model."""
