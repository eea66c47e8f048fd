"""Observability for Python services."""
