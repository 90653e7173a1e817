"""The pictures of the documentation, taken of the demo's state in a browser."""
