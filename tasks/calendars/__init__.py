"""When the flows of a model run: business days, freezes, shared calendars, the days to come."""
