"""The benchmark: what Perennial costs beside a plain script that does the same."""
