"""Web services: Flask, gunicorn, health endpoints and faults on demand."""
