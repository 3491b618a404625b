"""What `celery -A worker` finds: the application for this process's environment."""

from worker.process import process_app

app = process_app()
