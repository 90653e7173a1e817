"""How a version answers."""
