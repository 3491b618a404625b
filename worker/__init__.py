"""What runs it: settings, the Celery application, the embedded servers, the command line. Decides nothing."""
