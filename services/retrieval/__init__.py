"""Full-text search over the project's own documents."""
