"""What exists, and the law it obeys: no sessions, no clocks, no Celery."""

from models.account import Account, Registration, State
from models.base import Base
from models.control import Decision, DecisionKind, Forecast, Pause, PlannedAccount
from models.doomed_file import DoomedFile
from models.guess import GuessKey
from models.hold import Hold
from models.job_seeking import JobSeeking, Status
from models.log import Action, ChainHead, Receipt
from models.measurement import BatchDuration, DayOfActions, Measurement
from models.my_page import (
    Application,
    Document,
    LoginSession,
    Message,
    MessageAttachment,
    SavedJob,
    SavedSearch,
)
from models.partitions import PARTITIONED
from models.policy import CounterOnly, Policies, Policy, PolicyName, Purge, Reckoning
from models.quarantine import Quarantine
from models.quiet_hours import QuietHours
from models.sweep import Heartbeat, Sweep, SweepStatus
from models.transition import Transition, TransitionKind
from models.verified import VerifiedTo

__all__ = [
    "PARTITIONED",
    "Account",
    "Action",
    "Application",
    "Base",
    "BatchDuration",
    "ChainHead",
    "CounterOnly",
    "DayOfActions",
    "Decision",
    "DecisionKind",
    "Document",
    "DoomedFile",
    "Forecast",
    "GuessKey",
    "Heartbeat",
    "Hold",
    "JobSeeking",
    "LoginSession",
    "Measurement",
    "Message",
    "MessageAttachment",
    "Pause",
    "PlannedAccount",
    "Policies",
    "Policy",
    "PolicyName",
    "Purge",
    "Quarantine",
    "QuietHours",
    "Receipt",
    "Reckoning",
    "Registration",
    "SavedJob",
    "SavedSearch",
    "State",
    "Status",
    "Sweep",
    "SweepStatus",
    "Transition",
    "TransitionKind",
    "VerifiedTo",
]
