"""The cloud's database: SQLite and PostgreSQL behind one text of SQL."""
