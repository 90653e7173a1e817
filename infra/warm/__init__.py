"""How a worker's runs get their processes: at once where one waits already imported."""
