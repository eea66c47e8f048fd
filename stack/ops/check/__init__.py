"""`stack check`: does a service, in whatever language, obey the telemetry contract?

Each subject is a file with its points; to add a point, write it there and name it in `POINTS`.
"""
