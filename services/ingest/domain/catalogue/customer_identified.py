"""Who a customer is: `identify` calls, `POST /v1/customers`."""

from collections.abc import Mapping
from typing import Any, Final

from services.ingest.domain.catalogue import fast_parts as fast
from services.ingest.domain.catalogue.entry import (
    EXAMPLE_CUSTOMER,
    EXAMPLE_OCCURRED,
    CatalogueEntry,
    EventMeaning,
    Fact,
    FactCall,
    Fields,
    TypedRoute,
)
from services.ingest.domain.catalogue.properties import NOTHING
from services.ingest.domain.definitions.consent import Words
from shared.contracts import dated_facts, localities, normal_form
from shared.contracts.consent import pair_of
from shared.contracts.events import CustomerIdentified
from shared.contracts.identity import MAX_VALUE_LENGTH

NAME: Final = "Identify"  # as a tracking plan speaks of it


def identified(traits: Fields, consent: Mapping[str, bool], words: Words) -> CustomerIdentified:
    """Returns who a customer is, by their traits in normal form, and what they agreed to.

    `consent` is by channel, or by channel and purpose; `words` are the source's names of traits that mean consent. Of
    two that contradict each other the withdrawal wins.
    """
    agreed = {str(pair_of(spelt)): granted for spelt, granted in consent.items()}
    for spelt, granted in words.read(traits).items():
        agreed[spelt] = agreed.get(spelt, True) and granted
    return CustomerIdentified(traits=traits, consent=agreed)


def warnings(traits: Fields) -> tuple[str, ...]:
    """Returns what is to be said of a customer's traits, for the figures of their source: what stays a plain trait,
    though it should be a day or a time zone. None of it repeats a value.
    """
    found = dated_facts.stated(traits).refused
    if _ZONES.isdisjoint(traits):
        return found
    values = {name: traits[name] for name in localities.ZONE_TRAITS if traits.get(name) not in NOTHING}
    zones = [f"traits.{name}: {_NO_ZONE}" for name, value in values.items() if localities.zone_named(value) is None]
    return (*found, *zones)


_ZONES: Final = frozenset(localities.ZONE_TRAITS)
_NO_ZONE: Final = "no time zone of the IANA database; send a name such as Asia/Shanghai"


def fast_traits(fields: Fields) -> tuple[Fields, str | None] | None:
    """Returns a customer's traits in their normal form and the mail address among them; None if they are not plain.

    An address that has no normal form is not: it may mean nobody, and those are counted. Nor is what is warned of.
    """
    if "phone" in fields:  # is read by the country that the rest speaks of
        return None
    if warnings(fields):
        return None
    address = fields.get("email")
    if address is None:
        return fields, None
    if len(fast.strip(address)) > MAX_VALUE_LENGTH:
        return None
    normal = normal_form.email(address)
    return None if normal is None else ({**fields, "email": normal}, normal)


class Identified(Fact, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Who a customer is: traits, and consent by channel, which means marketing, or by `channel:purpose`."""

    traits: dict[str, Any] = {}
    consent: dict[str, bool] = {}


def _understand(fact: Identified, call: FactCall) -> EventMeaning:
    if call.consent_words is None:
        return EventMeaning(NAME, CustomerIdentified(traits=call.traits), fact.traits)
    return EventMeaning(NAME, identified(call.traits, fact.consent, call.consent_words), fact.traits)


ENTRY: Final = CatalogueEntry(
    body=CustomerIdentified,
    route=TypedRoute(
        path="customers",
        body=Identified,
        key="moment",
        example={
            "customer": EXAMPLE_CUSTOMER,
            "traits": {"first_name": "Ann", "country": "DE"},
            "consent": {"email": True},
            "occurred_at": EXAMPLE_OCCURRED,
        },
        understand=_understand,
    ),
)
