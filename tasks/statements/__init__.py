"""How it is said in SQL: builds SQLAlchemy Core statements and executes none."""
