"""Whoever asks the database for anything, in scenarios: together they reach every statement that there is."""

from asking import files, operators, owners, people, proof, sweeps, web

__all__ = ["MAY", "SCENARIOS"]

# Each is played on a filled database, in this order.
SCENARIOS = (
    *people.SCENARIOS,
    *operators.SCENARIOS,
    *web.SCENARIOS,
    *sweeps.SCENARIOS,
    *files.SCENARIOS,
    *proof.SCENARIOS,
    *owners.SCENARIOS,
)
# By scenario: who may look at more in it than elsewhere, and why.
MAY = proof.MAY
