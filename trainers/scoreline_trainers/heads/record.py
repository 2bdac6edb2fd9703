"""The file ``adaptation.json``: the rule for heads of new segments, and the segments added after training."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from scoreline_registry.documents.manifest import Moment
from scoreline_trainers.heads.rules import Rule

ADAPTATION_FILE = "adaptation.json"

# The heads float32 [S + 1, H + 1] in order of the segment's codes, the fallback last; a head's bias is its last number.
HEADS = "segment_heads"
# What they are multiplied with, float32 [N, H].
STATES = "segment_states"


class Facts(BaseModel):
    """The base of what is recorded."""

    model_config = ConfigDict(frozen=True)


class Adapted(Facts):
    """One segment that was added after training.

    Attributes:
        segment: its name.
        version: of the model that it was added to.
        rows, positives: what its head was made of.
        data_sha256: of the file that held them.
    """

    segment: str
    version: int
    rows: int
    positives: int
    data_sha256: str
    at: Moment


class Record(Facts):
    """The file.

    Attributes:
        feature: whose names are the segments.
        rule: how rows become a head.
        adapted: segments that were added after training, in the order of their heads.
    """

    schema_number: Literal[1] = 1
    feature: str
    rule: Rule
    adapted: tuple[Adapted, ...] = ()
