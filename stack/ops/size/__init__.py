"""What a stack of a given size needs, from measured constants."""
