"""The words of one event of a pattern: `viewed a product where (category is "tea")`."""

from typing import Final

from services.segment.domain.conditions.step import Step
from services.segment.domain.conditions.words.events import DID_COUNTED, DO
from services.segment.domain.conditions.words.filters import WHERE
from services.segment.domain.conditions.words.forms import Form, Forms

STEP: Final = Forms(Step, Form(en="{event} {where}", zh="{event}{where}"), slots={"event": DID_COUNTED, "where": WHERE})
"""An event that happened: `ordered`, 下单."""

NOT_STEP: Final = Forms(Step, Form(en="{event} {where}", zh="{event}{where}"), slots={"event": DO, "where": WHERE})
"""An event after `did not` and 没有: `order`, 下单."""
