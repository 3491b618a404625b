"""A made-up population for trying, testing and measuring: deterministic, realistic, written by COPY."""

from worker.seed.load import Population, seed

__all__ = ["Population", "seed"]
