"""The story: one verb, one file, one deployable flow."""
