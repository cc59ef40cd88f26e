"""The documentation of conditions and of their words: `docs/conditions.md`, which

    python -m services.segment.domain.conditions.words.page > docs/conditions.md

writes.
"""

import inspect
import json
import sys
from collections.abc import Iterator
from typing import Any

from services.segment.domain.conditions.base import Limits
from services.segment.domain.conditions.document import MAX_CONDITIONS, MAX_DEPTH, read
from services.segment.domain.conditions.registry import KINDS
from services.segment.domain.conditions.tree import MAX_PARTS
from services.segment.domain.conditions.words.events import EVENTS
from services.segment.domain.conditions.words.examples import EXAMPLES
from services.segment.domain.conditions.words.forms import LANGUAGES, Forms
from services.segment.domain.conditions.words.language import describe
from services.segment.domain.conditions.words.registry import WORDS, reserved
from services.segment.domain.conditions.words.text import MAX_CHARACTERS
from shared.calendars.durations import Language

_INTRODUCTION = f"""# Conditions

A condition says something of a customer that is true, false or unknown: a tier, a trait, what they did and when. It is
a JSON document, and it has words in English and in Chinese: each says the same, and each is made of the other without
loss. Segments are defined by conditions.

```json
{{"kind": "all", "of": [
  {{"kind": "did", "event": "order_placed", "op": "eq", "times": 0, "window": {{"within": "P30D"}}}},
  {{"kind": "tier", "among": ["gold"]}}
]}}
```

> did not order in the last 30 days and tier is gold
>
> 最近30天没有下单 且 等级是 gold

`POST /v1/conditions/parse` takes words (`{{"text": …, "language": "en" or "zh"}}`; the language is seen if it is not
given) and returns the condition; `POST /v1/conditions/describe` takes `{{"condition": …}}` and returns the words in
both languages. Both need the scope `segment:read`, and send no text anywhere. The JSON Schema of conditions is
[conditions.schema.json](conditions.schema.json).

*Unknown* is an answer of its own: of a customer without the trait `city`, it is unknown whether their city is Berlin,
and whether it is not. `all` is false if one part is false, else unknown if one is unknown; `any` is true if one part
is true, else unknown if one is unknown; `not` leaves unknown as it is. A segment has the customers of whom its
condition is true.

A document may have {MAX_CONDITIONS} conditions, {MAX_DEPTH} deep, {MAX_PARTS} in one `all` or `any`.

## Words

What is written is one form of each sentence; what is read is that, and more: any case, any number of spaces or none
where no word is cut, full-width punctuation, and the synonyms that the tables name. Everything else is refused with the
place, what could stand there, and the word that was probably meant. Text may have {MAX_CHARACTERS:,} characters.

```
condition = both {{ "or" both }}                     或, 或者        binds least
both      = one {{ "and" one }}                      且, 并且, 而且
one       = "not" one                              并非, 非, 不满足
          | "(" condition ")"                      （ ）
          | "all of (" condition ")"               全部满足（ ）    an `all` of one part
          | "any of (" condition ")"               任一满足（ ）    an `any` of one part
          | a sentence of a kind, below
```

In sentences there are

- *names*, of traits, events, tiers and the like: letters, digits, `_`, with `.` and `-` between; all other names are
  quoted, and so are those that are words of the language, which are listed at the end;
- *texts*: quoted `"like this"`, with the escapes of JSON; a text that is a plain name is read without quotation marks.
  “ ”, 「 」 and 『 』 are read as quotation marks, too, without escapes;
- *numbers*: `3`, `2.5`; flags are `true` and `false`, 真 and 假;
- *durations*: `30 days`, `1 day 12 hours`, `2 weeks`; 30天, 1天12小时, 2周. Months and years have no exact length;
- *days*: `2026-11-30`, in UTC;
- *amounts*: `100.00 USD`, `USD 100`, 100元: major units, with the decimals that the currency has in ISO 4217. The
  document has minor units (10000);
- *comparisons*: exactly, not exactly, less than, at most, more than, at least; 恰好, 不等于, 小于, 至多, 大于, 至少; or
  `=`, `!=`, `<`, `<=`, `>`, `>=`;
- *events*: by the verbs below, or `did "Quiz Finished"`, 做过 "Quiz Finished";
- *filters* on an event's properties, after the verb: `where (category is "tea" and price is at least 3)`, in Chinese
  （category 是 "tea" 且 price 至少 3）. They have the operators of traits; `any of items has (…)`, items 中有一项（…）,
  asks several things of one element of a list;
- *windows*: `in the last 30 days`, `since 2026-01-01`, `before 2026-01-01`, `from 2026-01-01 to before 2026-02-01`,
  `since the last order`; 最近30天, 自 2026-01-01 起, 在 2026-01-01 之前, 自 2026-01-01 起至 2026-02-01 之前,
  自上次下单后. The day after `before` is out.

"""


def page() -> str:
    """Returns the page of the documentation."""
    return _INTRODUCTION + "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "## Kinds"
    for name, kind in KINDS.items():
        yield from ("", f"### {name}", "", inspect.cleandoc(kind.__doc__ or ""), "")
        yield from ("| document | English | Chinese |", "|---|---|---|")
        for example in EXAMPLES[name]:
            document = {"kind": name, **example}
            condition = read(document, Limits())
            yield _row(_code(document), *(describe(condition, language) for language in LANGUAGES))
        if kind in WORDS and (more := list(_synonyms(WORDS[kind]))):
            yield from ("", "Also read:", "", *more)
    yield from ("", "## Events that have verbs", "", "| event | English | Chinese |", "|---|---|---|")
    for name, event in EVENTS.items():
        yield _row(f"`{name}`", f"{event.did}, did not {event.do}", f"{event.zh_did}, 没有{event.zh_do}")
    yield from ("", "## Words that are no names unless they are quoted", "")
    for language in LANGUAGES:
        words = sorted(word for word in reserved(language) if word.isidentifier())
        yield f"{_name(language)}: {', '.join(f'`{word}`' for word in words)}."
        yield ""


def _synonyms(forms: Forms) -> Iterator[str]:
    for language in LANGUAGES:
        several = list(dict.fromkeys(one for form in forms.forms for one in form.templates(language)[1:]))
        if several:
            yield f"- {_name(language)}: {'; '.join(several)}"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _code(document: Any) -> str:
    return f"`{json.dumps(document, ensure_ascii=False)}`"


def _name(language: Language) -> str:
    return "English" if language == "en" else "Chinese"


if __name__ == "__main__":
    sys.stdout.write(page())
