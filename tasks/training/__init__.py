"""How a candidate is made."""
