"""The tooling behind `make`: not imported by services, installed with the extra `ops`."""
