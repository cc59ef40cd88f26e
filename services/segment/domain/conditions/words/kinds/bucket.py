"""The words of random buckets: `is in buckets 0 to 49 of 100 by experiment`; the last one that is named is in."""

from typing import Final

from services.segment.domain.conditions.kinds.bucket import Bucket
from services.segment.domain.conditions.words.forms import Form, Forms
from services.segment.domain.conditions.words.values import NAME, WHOLE, Whole

BUCKET: Final = Forms(
    Bucket,
    Form(
        en=("is in buckets {first} to {end} of {of} by {salt}", "in buckets {first} to {end} of {of} by {salt}"),
        zh="在随机桶 {first} 至 {end} 中，共 {of} 个，按 {salt} 划分",
    ),
    slots={"first": WHOLE, "end": Whole(shift=-1), "of": WHOLE, "salt": NAME},
)
