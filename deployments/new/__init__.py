"""A first declaration of a model from a file of its data."""
