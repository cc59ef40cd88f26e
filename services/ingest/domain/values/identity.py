"""Who an event is about: identities in the one normal form, and none of those that mean nobody."""

from collections.abc import Iterator, Mapping
from typing import Any

from services.ingest.domain.errors import BadEvent, Reason
from services.ingest.domain.values import phone
from services.ingest.domain.values.message import Context, Message, Scalar, as_dict, text
from shared.contracts import normal_form
from shared.contracts.identity import MAX_VALUE_LENGTH, Identity, Namespace
from shared.contracts.placeholders import MEANS_NOBODY


def named(namespace: Namespace, value: Scalar, *, at: str) -> Identity | None:
    """Returns the identity in a field; None if it is empty or means nobody. Raises `BadEvent` if it is too long."""
    if value is None:
        return None
    found = normal_form.own_id(text(value))
    if found is None:
        return None
    if len(found) > MAX_VALUE_LENGTH:
        raise BadEvent(Reason.IDENTITY, f"{at}: longer than {MAX_VALUE_LENGTH} characters")
    return Identity(namespace, found)


def identities(message: Message, traits: Mapping[str, Any], *, trusted: bool) -> tuple[Identity, ...]:
    """Returns everybody whom an event names, at most one in each namespace. Raises `BadEvent` if that is nobody.

    Traits are the customer's, as `of_customer` has them. They identify only when a server says so: whoever has a public
    key could claim to be any address.
    """
    user = named(Namespace.USER_ID, message.user_id, at="userId")
    anonymous = named(Namespace.ANONYMOUS_ID, message.anonymous_id, at="anonymousId")
    known = _from_traits(traits) if trusted and traits else ()
    found = tuple([one for one in (user, *known, anonymous) if one is not None])
    if not found:
        raise BadEvent(
            Reason.IDENTITY,
            _nobody(message, traits, trusted=trusted),
            placeholders(message, traits, (), trusted=trusted),
        )
    return found


def placeholders(
    message: Message, traits: Mapping[str, Any], found: tuple[Identity, ...], *, trusted: bool
) -> tuple[str, ...]:
    """Returns the namespaces of those values in an event that mean nobody; traits count as far as they identify.

    `found` are the identities that the event has: what is one of them is somebody's, and needs no look.
    """
    stated: list[tuple[Namespace, Any]] = [
        (Namespace.USER_ID, message.user_id),
        (Namespace.ANONYMOUS_ID, message.anonymous_id),
    ]
    if trusted and traits:
        stated += [(Namespace.EMAIL, traits.get("email")), (Namespace.PHONE, traits.get("phone"))]
    somebody = [one.namespace for one in found]
    return tuple(
        [one.value for one, value in stated if value is not None and one not in somebody and is_placeholder(one, value)]
    )


def is_placeholder(namespace: Namespace, value: Any) -> bool:
    """Returns whether a field has something in it, and that means nobody."""
    if not isinstance(value, str | int | float) or not (found := text(value)):
        return False
    return len(found) <= MAX_VALUE_LENGTH and MEANS_NOBODY[namespace](found)


def of_customer(
    message: Message, context: Context, *, of_group: bool, source_country: str | None = None
) -> dict[str, Any]:
    """Returns the customer's traits: the message's own (but a group call's are the group's), then the context's.

    A valid mail address or telephone number is in its normal form; everything else is as it came. A number in national
    form is read by the customer's country, else by the source's.
    """
    own = {} if of_group else as_dict(message.traits)
    of_context = as_dict(context.traits)
    traits = {**of_context, **own} if of_context and own else own or of_context
    if not traits:
        return traits
    if address := email_in(traits):
        traits = {**traits, "email": address}
    if number := phone.normal(traits, source_country):
        traits = {**traits, "phone": number}
    return traits


def _from_traits(traits: Mapping[str, Any]) -> Iterator[Identity]:
    if address := email_in(traits):
        yield Identity(Namespace.EMAIL, address)
    if number := phone.normal(traits, None):
        yield Identity(Namespace.PHONE, number)


def email_in(traits: Mapping[str, Any]) -> str | None:
    """Returns the mail address among these traits, in its normal form; None if there is none, or it is not valid."""
    value = traits.get("email")
    return normal_form.email(value) if isinstance(value, str) and len(value) <= MAX_VALUE_LENGTH else None


def _nobody(message: Message, traits: Mapping[str, Any], *, trusted: bool) -> str:
    tried = [
        name for name, value in (("userId", message.user_id), ("anonymousId", message.anonymous_id)) if text(value)
    ]
    tried += [f"traits.{name}" for name in ("email", "phone") if trusted and traits.get(name)]
    what = f"{', '.join(tried)} is not valid, or means nobody" if tried else "nobody is named"
    national = "; write traits.phone with + and the country's code, or name its traits.country"
    return (
        f"identity: {what}; send a userId or an anonymousId"
        + (", or a valid traits.email" if trusted else "")
        + (national if "traits.phone" in tried else "")
    )
