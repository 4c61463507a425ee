"""The till's SQLite database: the only SQL of the agent."""
