"""`stack export kubernetes`: Kustomize bases from the files that Compose runs."""
