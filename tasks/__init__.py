"""What happens: Celery tasks, one verb a file, each safe to run twice."""
