"""Liquid that can't run away with the process."""

from collections.abc import Mapping
from typing import Final

from liquid import Environment, FalsyStrictUndefined, StrictUndefined, Undefined


class Limited(Environment):
    """Liquid with limits."""

    loop_iteration_limit = 1_000
    output_stream_limit = 256 * 1024  # bytes
    local_namespace_limit = 64 * 1024  # bytes
    block_nesting_limit = 20
    context_depth_limit = 20


# A subject and a plain text are no HTML: escaped there, a name would read "O&#39;Brien".
_ESCAPED: Final[Mapping[str, bool]] = {"subject": False, "text": False, "html": True, "sms": False}


def environments(undefined: type[Undefined]) -> Mapping[str, Environment]:
    """Returns the environment of each part of a template, all with one view of what is undefined."""
    return {part: Limited(autoescape=escaped, undefined=undefined) for part, escaped in _ESCAPED.items()}


OF_PACKAGE: Final = environments(StrictUndefined)
# A customer without a value gets no mail with a hole in it; an `if` and a `default` may ask whether there is one.
STRICT: Final = environments(FalsyStrictUndefined)
LENIENT: Final = environments(Undefined)
