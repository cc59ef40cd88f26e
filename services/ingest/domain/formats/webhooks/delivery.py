"""One delivery of a webhook, and what an adapter makes of it."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A payload as it came. `headers` are those that say something of it, in small letters."""

    raw: bytes
    headers: Mapping[str, str]

    def header(self, name: str) -> str:
        """Returns a header's value; empty if it is absent."""
        return self.headers.get(name, "")

    def digest(self) -> str:
        """Returns a digest of the payload, by which a repeated delivery is known where the signature covers no id."""
        return hashlib.blake2b(self.raw, digest_size=16).hexdigest()


class Translated(msgspec.Struct, frozen=True, kw_only=True):
    """What a delivery means: messages of the tracking API, without ids yet.

    `delivery_id` is what a repeated delivery is known by: the vendor's id where the signature covers it, else a digest
    of the payload, so that nobody who has seen a delivery can make several of it. `also_known` has the vendor's other
    names of an order, each with the order's own; `ignored` says why nothing was made of the delivery. A message about
    an order need not name its customer: vendors do so once, with the order. `nobodys` are orders of which the vendor
    says that no customer is known: of a till, say.
    """

    delivery_id: str
    messages: list[dict[str, Any]] = []
    also_known: Mapping[str, str] = {}
    ignored: str = ""
    nobodys: tuple[str, ...] = ()


def track(event: str, properties: Mapping[str, Any], *, at: Any, who: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a track call; properties that are None are left out."""
    given = {name: value for name, value in properties.items() if value is not None and value != ""}
    return {"type": "track", "event": event, "properties": given, "timestamp": at, **who}


def repeated(message: dict[str, Any], *, of: Any = None) -> dict[str, Any]:
    """Returns a message that every delivery about its order has again, with an id by which it is one event for ever.

    `of` names the thing that it is about, where that does not stand in the message.
    """
    known = {"of": of, **{name: value for name, value in message.items() if name != "timestamp"}}
    digest = hashlib.blake2b(_encode(known), digest_size=16).hexdigest()
    return {**message, "messageId": digest}


def of_nobody(
    delivery_id: str, what: str, messages: Sequence[Mapping[str, Any]], also_known: Iterable[str] = ()
) -> Translated | None:
    """Returns what becomes of an order, the first of these messages, if it says of no customer: nothing, and what comes
    about it later is nothing, too. None if it names somebody. `what` is as operators are told of it.
    """
    if not messages or _names_somebody(messages[0]):
        return None
    order_id = str(messages[0]["properties"]["order_id"])
    return Translated(delivery_id=delivery_id, ignored=f"{what} of nobody known", nobodys=(order_id, *also_known))


def _names_somebody(who: Mapping[str, Any]) -> bool:
    """Returns whether this says who a call is about, and not only from which country."""
    traits = who.get("context", {}).get("traits", {})
    return bool(who.get("userId") or traits.get("email") or traits.get("phone"))


_encode: Final = msgspec.json.Encoder(order="deterministic").encode


def identify(
    traits: Mapping[str, Any], *, consent: Mapping[str, bool], at: Any, who: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns an identify call."""
    given = {name: value for name, value in traits.items() if value not in (None, "", [], {})}
    call = {"type": "identify", "traits": given, "timestamp": at, **who}
    if not consent:
        return call
    return {**call, "context": {**who.get("context", {}), "consent": {"categoryPreferences": dict(consent)}}}


def person(*, user_id: Any = None, email: Any = None, phone: Any = None, country: Any = None) -> dict[str, Any]:
    """Returns who a call is about. Address and number stand in the context: they identify, and are not new traits."""
    traits = {"email": email, "phone": phone, "country": country}
    known = {name: value for name, value in traits.items() if value}
    who: dict[str, Any] = {"userId": str(user_id)} if user_id else {}
    return {**who, "context": {"traits": known}} if known else who


def country_in(address: Any, name: str = "country") -> str | None:
    """Returns the country of an address; None if it has none. Only a hint: an odd address never costs an order."""
    found = address.get(name) if isinstance(address, dict) else None
    return found if isinstance(found, str) and found else None
