"""The same stack when one machine no longer serves."""
