"""Who asks and why is recorded with every act, so both have to be fit for it, wherever they come from."""

import pytest

from models.errors import Refused
from tasks.rules.named import LONGEST, require_named


@pytest.mark.parametrize(("actor", "reason"), [("mori", "as agreed"), ("森", "申請 118"), ("a" * 100, "r" * 1000)])
def test_a_name_and_a_reason_are_recorded(actor, reason):
    require_named(actor=actor, reason=reason)


@pytest.mark.parametrize("name", LONGEST)
@pytest.mark.parametrize("text", ["", " \t", "two\nlines", "\x1b[31m", "\udcff", "x" * 1001, None, 7])
def test_what_cannot_be_recorded_is_refused_by_its_name(name, text):
    with pytest.raises(Refused, match=f"^{name} "):
        require_named(**{"actor": "mori", "reason": "as agreed"} | {name: text})


@pytest.mark.parametrize("name", ["beat", "worker", " Beat ", "WORKER", "ｗｏｒｋｅｒ", "wor\u200bker", "worker\ufeff"])
def test_nobody_acts_by_the_name_of_the_worker_itself(name):
    with pytest.raises(Refused, match=r"^actor may not be beat or worker"):
        require_named(actor=name, reason="as agreed")
