"""What happens to one feature, and to a run as a whole; nothing here knows of Celery."""
