"""Mistakes that the campaign has to see: the one that CHAOS_PLANT names is made in each process that starts here."""

import os

import tasks.batch


def torn():
    """A batch is not one transaction: what it did is committed before it is counted and chained."""
    seal = tasks.batch.seal

    def sealing(connection, *acted, **how):
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("BEGIN")
        return seal(connection, *acted, **how)

    tasks.batch.seal = sealing


{"torn": torn}[os.environ["CHAOS_PLANT"]]()
