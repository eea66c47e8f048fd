"""The smallest complete service, which `make new-service` copies."""
