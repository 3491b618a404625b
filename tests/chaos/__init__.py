"""The fault campaign: faults strike a deployment at a chosen point of a sweep, and everything has to come right."""
