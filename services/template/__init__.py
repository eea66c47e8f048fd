"""Greets: the smallest complete service."""
