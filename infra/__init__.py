"""Everything that touches a machine: settings, errors, stores, servers, the ledger."""
