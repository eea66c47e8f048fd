"""HTTP clients for calls to other services: bounded, retried with care, and watched."""

from stack.http.async_client import AsyncHttpClient
from stack.http.client import HttpClient

__all__ = ["AsyncHttpClient", "HttpClient"]
