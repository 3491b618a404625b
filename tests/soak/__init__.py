"""The soak: a deployment under load for an hour, struck by a fault now and then; nothing may grow, or be late."""
