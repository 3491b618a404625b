"""Leaks that the soak has to see: those that SOAK_PLANT names are made in each process that starts here."""

import os
from threading import Thread
from time import sleep
from uuid import uuid4

import psycopg
from celery.signals import task_prerun, worker_process_init, worker_ready

kept = []


def memory():
    """Each process that runs tasks leaves a megabyte behind each second, written to, so it is there."""

    def leave():
        while True:
            kept.append(b"x" * 1_000_000)
            sleep(1)

    worker_process_init.connect(lambda **_: Thread(target=leave, daemon=True).start(), weak=False)


def connection():
    """Each worker leaves twelve connections to PostgreSQL behind in all: none would be left if it went on."""

    def leave():
        for _ in range(12):
            kept.append(psycopg.connect(os.environ["RETENTION_DATABASE_URL"]))
            sleep(float(os.environ["SOAK_PLANT_SECONDS"]))

    worker_ready.connect(lambda **_: Thread(target=leave, daemon=True).start(), weak=False)


def key():
    """Each sweep leaves a key in Redis behind."""

    def leave(sender, **_):
        if sender.name == "retention.sweep":
            with sender.app.connection_for_write() as connection:
                connection.default_channel.client.set(f"swept:{uuid4()}", 1)

    task_prerun.connect(leave, weak=False)


for plant in os.environ["SOAK_PLANT"].split():
    {"memory": memory, "connection": connection, "key": key}[plant]()
