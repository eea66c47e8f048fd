"""The embedded trace store: OTLP over HTTP in, Jaeger's query API out, SQLite between."""
