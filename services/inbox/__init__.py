"""The inbox: every alert that arrived, kept and shown."""
