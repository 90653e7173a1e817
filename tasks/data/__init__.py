"""What arrives: read, held to a contract, committed."""
