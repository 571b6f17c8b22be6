"""Celery: the app, its one task, and the worker that lives in another program's process."""
