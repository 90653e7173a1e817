"""The proof that a model is watched: shifts that are known, injected into a shadow of it."""
