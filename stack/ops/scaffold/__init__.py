"""Services added to the stack, and taken away: copies of `services/template`, registered."""
