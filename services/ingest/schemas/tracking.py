"""The responses of the tracking API."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Accepted(BaseModel):
    """Every event is on the bus, in the spool, or in the quarantine."""

    success: Literal[True] = True


class TrackingProblem(BaseModel):
    """Why a request was refused, in the shape that SDKs know."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"code": "invalid_json", "message": "body: Input data was truncated"}]}
    )

    code: str
    message: str
