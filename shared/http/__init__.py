"""What every service's API has: problems, bearer tokens, pages, edits. FastAPI's own edges live here.

The names below are what routes and their schemas use; the application itself is made by `app`.
"""

from shared.http.access import Caller, Db, require_customer_or, requires
from shared.http.edits import EditOf, etag
from shared.http.idempotency import once, scoped_key
from shared.http.paging import PageSize, decode_cursor, encode_cursor, utc
from shared.http.problems import RETRY_AFTER_SECONDS, problem
from shared.http.values import JSON_NUMBER, Boolean, Moment, Text

__all__ = [
    "JSON_NUMBER",
    "RETRY_AFTER_SECONDS",
    "Boolean",
    "Caller",
    "Db",
    "EditOf",
    "Moment",
    "PageSize",
    "Text",
    "decode_cursor",
    "encode_cursor",
    "etag",
    "once",
    "problem",
    "require_customer_or",
    "requires",
    "scoped_key",
    "utc",
]
