"""A bounded, steady load on the gateway."""
