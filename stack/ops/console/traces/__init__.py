"""Pages of traces at the paths of Jaeger's own: a search, and one trace as a waterfall."""
