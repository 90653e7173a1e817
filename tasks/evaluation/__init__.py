"""How a candidate is judged."""
