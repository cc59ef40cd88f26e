"""SQL text, parsed once."""

from functools import lru_cache

from sqlalchemy import TextClause, text


@lru_cache(maxsize=1000)
def sql(statement: str) -> TextClause:
    """Returns a statement. The statements of this code are constants, and parsing one costs as much as running it."""
    return text(statement)
