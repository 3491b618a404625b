"""How large a run is: the full one, whose report is kept, and the smoke run, which only shows that measuring works."""

from dataclasses import dataclass

__all__ = ["FULL", "SMOKE", "Size"]


@dataclass(frozen=True, slots=True)
class Size:
    """How large a run is; every slice is so many accounts, and Django's a whole batch at least."""

    rounds: int
    purge_slice: int
    django_slice: int
    django_batches: tuple[int, ...]
    orm_slice: int
    batch_slice: int
    batches: tuple[int, ...]
    drains: tuple[int, ...]
    thin_slice: int
    idle: tuple[int, ...]
    idle_due: int
    memory_slices: tuple[int, int]
    guesses: int
    log_actions: int
    gentle_slice: int
    gentle_seconds: int
    seeded: int
    latency_accounts: int
    pages: tuple[tuple[int, int], ...]


FULL = Size(
    rounds=5,
    purge_slice=12_000,
    django_slice=1_000,
    django_batches=(100, 500, 2_000, 4_000),
    orm_slice=150,
    batch_slice=10_000,
    batches=(100, 300, 1_000, 3_000, 10_000),
    drains=(1, 2, 4, 8),
    thin_slice=55_000,
    idle=(10_000, 100_000, 1_000_000, 10_000_000),
    idle_due=1_000,
    memory_slices=(2_000, 200_000),
    guesses=100,
    log_actions=1_000_000,
    gentle_slice=40_000,
    gentle_seconds=60,
    seeded=20_000,
    latency_accounts=3_000,
    pages=((10_000, 10_000), (1_000_000, 100_000_000)),
)
SMOKE = Size(
    rounds=1,
    purge_slice=100,
    django_slice=20,
    django_batches=(10, 40),
    orm_slice=10,
    batch_slice=50,
    batches=(10, 50),
    drains=(1, 2),
    thin_slice=500,
    idle=(1_000, 5_000),
    idle_due=50,
    memory_slices=(200, 2_000),
    guesses=5,
    log_actions=2_000,
    gentle_slice=100,
    gentle_seconds=5,
    seeded=100,
    latency_accounts=300,
    pages=((100, 1_000), (300, 2_000)),
)
