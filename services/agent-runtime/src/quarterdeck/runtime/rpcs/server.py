"""RuntimeService: translate, call, translate back. Its RPCs are in `rpcs`, by subject."""

from __future__ import annotations

from quarterdeck.runtime.rpcs.archiving import ArchivingRpcs
from quarterdeck.runtime.rpcs.batching import BatchingRpcs
from quarterdeck.runtime.rpcs.reading import ReadingRpcs
from quarterdeck.runtime.rpcs.repeating import RepeatingRpcs
from quarterdeck.runtime.rpcs.starting import StartingRpcs
from quarterdeck.runtime.rpcs.steering import SteeringRpcs
from quarterdeck.runtime.rpcs.transferring import TransferringRpcs
from quarterdeck.runtime.rpcs.triggering import TriggeringRpcs


class RuntimeServicer(
    StartingRpcs,
    BatchingRpcs,
    SteeringRpcs,
    RepeatingRpcs,
    ReadingRpcs,
    TriggeringRpcs,
    ArchivingRpcs,
    TransferringRpcs,
):
    """Serves runs."""
