"""What a model learned from, as sketches: small, mergeable, and compared without a row of it."""
