"""`/metrics`: the figures as Prometheus reads them.

They come from the database, so counters neither begin anew with a process nor depend on which one is asked.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import accumulate

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from tasks.figures import Figures, read_figures
from tasks.standing import Standing
from tasks.statements.figures import BOUNDS_SECONDS
from tasks.verify import SOURCE
from worker.deployment import Deployment
from worker.web.office import Here

__all__ = ["router"]

FILES = ("waiting", "overdue", "refused", "in_use")

router = APIRouter(tags=["metrics"])


@router.get("/metrics", response_class=Response, responses={200: {"content": {CONTENT_TYPE_LATEST: {}}}})
def metrics(office: Here) -> Response:
    """Tell all figures in Prometheus' text format; they name no account."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Retention(office.deployment))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class Retention(Collector):
    """Collects our figures; reads the database once a scrape."""

    def __init__(self, here: Deployment) -> None:
        self._here = here

    def describe(self) -> Iterable[Metric]:
        """Name every metric, without asking the database."""
        return Families()

    def collect(self) -> Iterable[Metric]:
        """Return every metric with its samples.

        Raises:
            Unavailable: the database did not answer; a scrape without figures says so better than zeros.
        """
        figures = read_figures(self._here.engine, self._here.policies)
        return Families().filled(figures)


class Families:
    """Every metric of ours."""

    def __init__(self) -> None:
        self.due = _gauge("accounts_due", "Accounts that the law allows to act on now.", "policy")
        self.late = _gauge("accounts_overdue", "Accounts that were due already at the latest tick.", "policy")
        self.overdue = _gauge("oldest_overdue_seconds", "For how long the oldest has been due; 0: none is.", "policy")
        self.anomalies = _gauge("anomalies", "Accounts whose dates make no sense; never touched.", "kind")
        self.holds = _gauge("holds", "Accounts with an unreleased hold.")
        self.quarantined = _gauge("quarantined_accounts", "Accounts that failed alone and were set aside.")
        self.skew = _gauge("clock_skew_seconds", "How far the workers' clock is ahead of another.", "source")
        self.measured = _gauge("measured_timestamp_seconds", "When accounts, anomalies and clocks were last counted.")
        self.actions = CounterMetricFamily("retention_actions", "Accounts acted on.", labels=["action"])
        self.sweeps = CounterMetricFamily("retention_sweeps", "Sweeps that have ended.", labels=["policy", "status"])
        self.ended = _gauge("sweep_last_end_timestamp_seconds", "When a sweep last ended so.", "policy", "status")
        self.held = _gauge("sweep_held_age_seconds", "For how long a sweep has been held; 0: none is.", "policy")
        self.silent = _gauge("sweep_silent_seconds", "For how long one has given no sign; 0: none goes on.", "policy")
        self.paused = _gauge("paused", "1 while the policy is paused.", "policy")
        self.paused_age = _gauge("paused_age_seconds", "For how long it has been paused; 0: it is not.", "policy")
        self.ahead = _gauge("forecast_accounts", "Accounts that fall due within so many days.", "policy", "days")
        self.peak = _gauge("forecast_peak_accounts", "The most that fall due on one of so many days.", "policy", "days")
        self.ceiling = _gauge("ceiling_accounts", "Most that one sweep may touch without approval.")
        self.files = _gauge("files", "Files of purged accounts that are not erased yet.", "state")
        self.beat = _gauge("beat_last_tick_timestamp_seconds", "When beat last dispatched.")
        self.verified = _gauge("chain_verified_timestamp_seconds", "Since when the whole log is known to be in order.")
        self.broken = _gauge("chain_broken", "1 since a verification found a break, until the whole log is in order.")
        self.years_ahead = _gauge("log_years_ahead", "Years to come for which the log has its partitions.")
        self.seconds = HistogramMetricFamily(
            "retention_batch_seconds", "How long batches took until they were chained, letting others go first."
        )

    def __iter__(self) -> Iterator[Metric]:
        return iter(vars(self).values())

    def filled(self, figures: Figures) -> "Families":
        """Return them with the samples of these figures; what was never measured has none."""
        for action, accounts in figures.actions.items():
            self.actions.add_metric([action.value], accounts)
            self.paused.add_metric([action.value], action in figures.paused_since)
            self.paused_age.add_metric([action.value], _age(figures.paused_since.get(action), figures.at))
            self.held.add_metric([action.value], _age(figures.held_since.get(action), figures.at))
            self.silent.add_metric([action.value], _age(figures.silent_since.get(action), figures.at))
        for (policy, status), sweeps in figures.sweeps.items():
            self.sweeps.add_metric([policy.value, status], sweeps)
        for (policy, status), ended_at in figures.last_ended.items():
            self.ended.add_metric([policy.value, status], ended_at.timestamp())
        for family, foreseen in ((self.ahead, figures.ahead), (self.peak, figures.peaks)):
            for (policy, days), accounts in foreseen.items():
                family.add_metric([policy.value, str(days)], accounts)
        self.broken.add_metric([], figures.broken)
        self.years_ahead.add_metric([], figures.years_ahead)
        for family, source in ((self.beat, "beat"), (self.verified, SOURCE)):
            if source in figures.heard:
                family.add_metric([], figures.heard[source].timestamp())
        self._time(figures)
        if figures.standing is not None:
            self._count(figures.standing, figures.at)
        return self

    def _count(self, standing: Standing, now: datetime) -> None:
        for name, late in standing.policies.items():
            self.due.add_metric([name.value], late.due)
            self.late.add_metric([name.value], late.overdue)
            self.overdue.add_metric([name.value], _age(late.oldest_due_at, now))
        for kind, accounts in standing.anomalies.items():
            self.anomalies.add_metric([kind], accounts)
        for source, seconds in standing.clocks.items():
            self.skew.add_metric([source], seconds)
        if standing.ceiling is not None:
            self.ceiling.add_metric([], standing.ceiling)
        self.holds.add_metric([], standing.holds)
        self.quarantined.add_metric([], sum(standing.quarantine.values()))
        for state in FILES:
            self.files.add_metric([state], getattr(standing.files, state))
        self.measured.add_metric([], standing.at.timestamp())

    def _time(self, figures: Figures) -> None:
        batches = {bound: number for bound, number, _ in figures.durations}
        so_far = accumulate(batches.get(bound, 0) for bound in BOUNDS_SECONDS)
        buckets = [(_bound(seconds), float(number)) for seconds, number in zip(BOUNDS_SECONDS, so_far, strict=True)]
        self.seconds.add_metric([], buckets, sum(seconds for _, _, seconds in figures.durations))


def _gauge(name: str, says: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"retention_{name}", says, labels=labels)


def _bound(seconds: float) -> str:
    bound: str = floatToGoString(seconds)  # type: ignore[no-untyped-call]  # it carries no types
    return bound


def _age(since: datetime | None, now: datetime) -> float:
    return max((now - since).total_seconds(), 0.0) if since else 0.0
