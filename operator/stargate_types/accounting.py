"""What a job has used: its time and its energy."""

from typing import Annotated

from pydantic import Field

from stargate_types.base import Model

RoundedSeconds = Annotated[float, Field(ge=0)]


class Goodput(Model):
    """Use of the time since the job was accepted; time suspended or queued counts nowhere."""

    productive_seconds: RoundedSeconds = Field(
        default=0, description="Training whose result is kept."
    )
    starting_seconds: RoundedSeconds = Field(
        default=0, description="Time from the start of an attempt until all its ranks ran."
    )
    lost_seconds: RoundedSeconds = Field(
        default=0, description="Training that was lost in a failure and repeated."
    )
    restarting_seconds: RoundedSeconds = Field(
        default=0, description="Time from a failure until the next attempt could start."
    )
    ratio: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0, description="productiveSeconds divided by the sum of all four."
    )


class Energy(Model):
    """Estimated from the class's watts per device and the block's PUE."""

    kwh: Annotated[float, Field(ge=0)] = Field(description="Energy used so far, in kilowatt hours.")
    pue: Annotated[float, Field(ge=1)] = Field(
        description="The power usage effectiveness that was assumed."
    )
    estimated: bool = Field(
        default=True, description="Always true: the value is computed, no meter is read."
    )
