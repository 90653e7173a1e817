"""Which versions there are and which is in charge."""
