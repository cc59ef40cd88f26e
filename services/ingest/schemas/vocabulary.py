"""The vocabulary, as the API returns it."""

from pydantic import BaseModel, Field


class KnownEvent(BaseModel):
    """One name, in the spelling of the specification; its case does not matter."""

    name: str
    type: str = Field(description="the type of the event on the bus")
    becomes: str = Field(description="what becomes of it: the event ...")
    properties: list[list[str]] = Field(
        description="those that the typed event holds; of those in one list the first that is present counts. All "
        "others are kept with it as they came"
    )
    route: str | None = Field(description="the typed route that takes the same fact")


class VocabularyOut(BaseModel):
    """Every name that is understood."""

    events: list[KnownEvent]
