"""Cases of customers: who somebody is, what they agreed to, where mail goes, and what they think of us."""

from typing import Any

from tests.support.field_cases.case import Case, Post, iso
from tests.support.field_cases.events import binary, bought, track
from tests.support.field_cases.vendors import shopify, shopify_order


def identify(who: str, message_id: str, *, consent: Any = None, **traits: Any) -> Post:
    """A call of `identify`, with the channel `email` of a consent, if one is given."""
    body: dict[str, Any] = {"userId": who, "messageId": message_id, "traits": traits}
    if consent is not None:
        body["context"] = {"consent": {"categoryPreferences": {"email": consent}}}
    return Post(path="/v1/identify", body=body)


PLACEHOLDERS = ("not_authenticated", "distinct_id", "(not set)", "{{user.id}}", "[]", "%USER_ID%", "[object Object]")
SENT = [("entered", "13000 minor units of USD in 365 days"), ("sent", "accepted")]
CASES = (
    Case(
        sentence="what templates and SDKs send for nobody joins no strangers",
        steps=tuple(
            identify(value, f"nobody-{number}-{half}", email=f"nobody-{number}-{half}@hill.example")
            for number, value in enumerate(PLACEHOLDERS)
            for half in ("a", "b")
        ),
        profiles={
            f"email:nobody-{number}-{half}@hill.example": {
                "identities": {"email": [f"nobody-{number}-{half}@hill.example"]}
            }
            for number in range(len(PLACEHOLDERS))
            for half in ("a", "b")
        },
    ),
    Case(
        sentence="two people who log in on one computer are two customers",
        steps=(
            track("ann", "Signed In", "ann-1", anonymousId="shared-computer"),
            track("ben", "Signed In", "ben-1", anonymousId="shared-computer"),
        ),
        profiles={
            "user_id:ann": {"identities": {"user_id": ["ann"], "anonymous_id": ["shared-computer"]}},
            "user_id:ben": {"identities": {"user_id": ["ben"]}},
        },
    ),
    Case(
        sentence="consent in words is read",
        steps=(
            identify("cat", "cat-1", consent="true", email="cat@hill.example"),
            identify("dov", "dov-1", consent="GRANTED", email="dov@hill.example"),
            identify("eli", "eli-1", consent="denied", email="eli@hill.example"),
        ),
        profiles={
            "user_id:cat": {"consent": {"email": True}},
            "user_id:dov": {"consent": {"email": True}},
            "user_id:eli": {"consent": {"email": False}},
        },
    ),
    Case(
        sentence="mail goes to the address that a customer changed to",
        steps=(
            identify("flo", "flo-1", consent=True, email="a-first@hill.example", first_name="Flo"),
            identify("flo", "flo-2", email="m-second@hill.example"),
        ),
        later=(bought("flo", "F-1", 130),),
        decisions={"user_id:flo": SENT},
        mails={"a-first@hill.example": [], "m-second@hill.example": ["Flo, welcome to Silver"]},
    ),
    Case(
        sentence="an order that still carries the earlier address does not bring it back",
        steps=(
            identify("hew", "hew-1", consent=True, email="a-hew@hill.example", first_name="Hew"),
            identify("hew", "hew-2", email="m-hew@hill.example"),
            track(
                "hew",
                "Order Completed",
                "hew-3",
                {"order_id": "H-0", "currency": "USD", "total": 6},
                context={"traits": {"email": "a-hew@hill.example"}},
                timestamp=iso(days=30),
            ),
        ),
        later=(bought("hew", "H-1", 124),),
        decisions={"user_id:hew": SENT},
        mails={"a-hew@hill.example": [], "m-hew@hill.example": ["Hew, welcome to Silver"]},
    ),
    Case(
        sentence="an event that Python marks as history, with a capital, sends nothing",
        steps=(identify("ike", "ike-1", consent=True, email="ike@hill.example"),),
        later=(binary("user_id:ike", "I-1", {"order_id": "I-1", "currency": "USD", "total": 400}, historical="True"),),
        standings={"user_id:ike": {"tier": "gold"}},
        mails={"ike@hill.example": []},
    ),
    Case(
        sentence="a domain outside ASCII is reached by its A-label",
        steps=(identify("gil", "gil-1", consent=True, email="gil@größe.example", first_name="Gil"),),
        later=(bought("gil", "G-1", 130),),
        decisions={"user_id:gil": SENT},
        mails={"gil@xn--gre-6ka8i.example": ["Gil, welcome to Silver"]},
    ),
    Case(
        sentence="an old order that is touched today sends nothing",
        steps=(
            shopify(
                "customers/create",
                {
                    "id": 12_801,
                    "email": "hub@lumen.example",
                    "first_name": "Hub",
                    "updated_at": iso(days=400),
                    "email_marketing_consent": {"state": "subscribed"},
                },
            ),
        ),
        later=(
            shopify(
                "orders/updated",
                shopify_order(7_801, "hub@lumen.example", "420.00", at=iso(), tags="photographed")
                | {"created_at": iso(days=220), "processed_at": iso(days=220)},
            ),
        ),
        profiles={"email:hub@lumen.example": {"orders": 1, "consent": {"email": True}}},
        standings={"email:hub@lumen.example": {"tier": "gold", "stage": "churned"}},
        decisions={"email:hub@lumen.example": [("skipped", "too_old")]},
        mails={"hub@lumen.example": []},
    ),
    Case(
        sentence="a visitor's answer by a page's public key counts",
        steps=(
            Post(
                kind="public",
                source="page",
                path="/v1/track",
                body={
                    "anonymousId": "visitor-1",
                    "event": "Feedback Submitted",
                    "messageId": "visitor-1-1",
                    "properties": {"survey": "nps", "rating": 8},
                },
            ),
        ),
        profiles={"anonymous_id:visitor-1": {"feedback": {"nps": {"answers": 1, "average": 8.0}}}},
    ),
    Case(
        sentence="who answers a survey again corrects the answer",
        steps=tuple(
            track("ivo", "Feedback Submitted", f"ivo-{rating}", {"survey": "nps", "rating": rating})
            for rating in (2, 10)
        ),
        profiles={"user_id:ivo": {"feedback": {"nps": {"answers": 1, "average": 10.0}}}},
    ),
)
