"""The fault campaign: faults strike a deployment at a chosen point of a batch, and everything has to come right."""
