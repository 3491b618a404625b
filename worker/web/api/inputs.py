"""What the API is told: numbers, reasons, limits; what the command line refuses is refused here, too."""

from typing import Annotated

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field

from models import PolicyName
from tasks.rules.named import LONGEST

__all__ = ["Before", "Limit", "Number", "PolicyPath", "Reason", "Told"]

LARGEST = 2**53 - 1  # larger ones are not the same number in every reader of JSON
# Something that is no space, and nowhere a control character.
WRITABLE = r"^[^\x00-\x1f\x7f-\x9f]*[^\x00-\x1f\x7f-\x9f\s][^\x00-\x1f\x7f-\x9f]*$"

Number = Annotated[int, Path(ge=1, le=LARGEST)]
Which = Annotated[int | None, Query(ge=1, le=LARGEST)]
Before = Annotated[int | None, Query(ge=1, le=LARGEST, description="Only what has a smaller id; pages on.")]
Limit = Annotated[int, Query(ge=1, le=1000, description="Lines at most.")]
PolicyPath = Annotated[PolicyName, Path(description="Which policy.")]
Reason = Annotated[
    str,
    Field(
        max_length=LONGEST["reason"],
        pattern=WRITABLE,
        description="Why; recorded with who asks.",
        examples=["as agreed"],
    ),
]


class Told(BaseModel):
    """What every act is told: why it is done."""

    model_config = ConfigDict(extra="forbid", strict=True)

    reason: Reason
