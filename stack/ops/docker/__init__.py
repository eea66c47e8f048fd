"""Compose mode: the engine, its images, and the stack as containers."""
