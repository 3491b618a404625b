"""What is done to a deployment: every fault by its name, in the order in which a campaign takes them."""

from chaos.faults import beats_and_web, clocks, messages, postgresql, redis, workers
from chaos.faults.fault import Clocks, Fault, NotStruckError

__all__ = ["FAULTS", "Clocks", "Fault", "NotStruckError"]

FAULTS: dict[str, Fault] = {
    fault.name: fault
    for module in (workers, beats_and_web, redis, postgresql, messages, clocks)
    for fault in module.FAULTS
}
