"""`stack doctor`: what is wrong with the running stack, why, and what mends it."""
