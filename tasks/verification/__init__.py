"""What a promise is held to: shifts that are known, and how soon they must be seen."""
