"""A model beside itself: its own data and its own code, and nothing of it is real."""
