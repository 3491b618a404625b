"""The schema's history, a file a step; a database is brought to its end by `retention migrate`."""
