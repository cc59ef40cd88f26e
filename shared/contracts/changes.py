"""What services publish about a customer's state: profiles and standings. Keyed by profile id."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from msgspec import Meta

from shared.contracts.events import Body
from shared.contracts.orders import Order
from shared.contracts.reference import RatesPublished

# What a customer can reach: a version counts the events of one, and 2^40 are 35 years at 1,000 a second. With a
# higher one everything after it would be taken for old.
MAX_VERSION: Final = 1 << 40
Version = Annotated[int, Meta(ge=0, le=MAX_VERSION)]


class ContactPoint(Body, frozen=True):
    """An address or number at which a customer can be reached, as a trusted source stated it.

    `verified`: the shop says that the customer has shown it to be theirs. `stated_at` is when a trusted source named it
    last; None if that was before the time was kept.
    """

    namespace: Literal["email", "phone"]
    value: str
    verified: bool = False
    stated_at: datetime | None = None


class Consent(Body, frozen=True):
    """What stands of a customer's consent to a channel and a purpose, and since when, by the customer's time."""

    channel: str
    purpose: str
    granted: bool
    changed_at: datetime


class TimeZone(Body, frozen=True):
    """A customer's time zone by its IANA name, and what it is known by.

    `by`: the customer's own choice, a trait, the newest context, a country that has one zone, or the company's setting.
    """

    name: str
    by: Literal["customer", "trait", "context", "country", "company"]


class DatedFact(Body, frozen=True, kw_only=True):
    """A day of a customer's life that comes again each year: a birthday, a wedding, the day of a child's birth.

    A customer has at most one of a `kind` and a `label`; the label tells several of one kind apart, such as children.
    `date` is YYYY-MM-DD, or --MM-DD where nobody knows the year, in `calendar`; `leap_month`: the month is the leap
    month of that number, which only the lunar calendar has.
    """

    kind: str
    label: str = ""
    date: str
    calendar: Literal["gregorian", "lunar"] = "gregorian"
    leap_month: bool = False


class ProfileChanged(Body, frozen=True):
    """A profile's state after a batch of events. A reader keeps the highest `version` it has seen.

    Bounded: at most 20 values a namespace, 20 contact points, 20 dated facts, 100 traits and 100 consents; money by
    currency, in minor units. `contact_points` come from trusted sources alone, in the order in which to use them;
    `public_traits` names the traits whose value comes from a public key alone; `consents` is all consent, and `consent`
    the part of it that is to marketing, by channel. `language` is a tag of BCP 47, empty if it is not known. What
    stands after `last_order_at` is None, and `language` empty, in a record of a writer that did not have it.
    """

    profile_id: UUID
    version: Version
    first_seen: datetime
    last_seen: datetime
    identities: dict[str, tuple[str, ...]] = {}
    traits: dict[str, Any] = {}
    consent: dict[str, bool] = {}
    orders: int = 0
    spend_minor: dict[str, int] = {}
    first_order_at: datetime | None = None
    last_order_at: datetime | None = None
    contact_points: tuple[ContactPoint, ...] | None = None
    public_traits: tuple[str, ...] | None = None
    consents: tuple[Consent, ...] | None = None
    time_zone: TimeZone | None = None
    language: str = ""
    dated_facts: tuple[DatedFact, ...] | None = None


class ProfileMerged(Body, frozen=True):
    """`loser` is now a name for `survivor`, for ever.

    `verified`: a trusted source joined the two, and one had given the loser a user id, a mail address or a phone number
    before. Only then does a customer's token for the loser open the survivor. False in a record of a writer that
    did not have it.
    """

    loser: UUID
    survivor: UUID
    verified: bool = False


class ProfileSplit(Body, frozen=True):
    """What was one customer is two from now on: `profile_id`, who keeps the name, and `separated`.

    Whoever keeps rows that derive from events of either deletes them, and reads both customers anew. `separated` is no
    name for `profile_id` any more, if it was one.
    """

    profile_id: UUID
    separated: UUID
    at: datetime


class ProfileErased(Body, frozen=True):
    """A customer was erased, for ever: readers delete what they keep of them, and remember that the id is erased."""

    profile_id: UUID


class ConfirmationRequested(Body, frozen=True):
    """A visitor of a public source agreed, and gave an address; the owner of that mailbox is asked to confirm it.

    `profile_id` is the visitor's, who may be somebody else. `requested_by` is the event in which the visitor agreed.
    """

    profile_id: UUID
    address: str
    channel: str
    purpose: str
    requested_by: UUID
    language: str = ""


class TierChanged(Body, frozen=True):
    """A customer's tier changed. `version` counts this customer's standing; a reader keeps the highest.

    `by_time`: no event caused it, but that time passed; it has no cause then. False in a record of a writer that did
    not tell. `order_id` is the order whose placing caused it, if that is what did, by the key of segment's orders: the
    cause is one statement of it, and there may be several. `programme` is the programme whose tiers these are. `cause`
    is `redefined` where neither did, but that the programme was changed; of a writer that did not tell it is `event`,
    whatever `by_time` says.
    """

    profile_id: UUID
    version: Version
    previous: str | None
    current: str
    direction: Literal["up", "down"]
    reason: str
    by_time: bool = False
    order_id: str | None = None
    programme: str = "default"
    cause: Literal["event", "time", "redefined"] = "event"


class StageChanged(Body, frozen=True):
    """A customer's lifecycle stage changed. `version`, `by_time`, `order_id` and `cause` as in `TierChanged`."""

    profile_id: UUID
    version: Version
    previous: str | None
    current: str
    reason: str
    by_time: bool = False
    order_id: str | None = None
    cause: Literal["event", "time", "redefined"] = "event"


class SegmentEntered(Body, frozen=True):
    """A customer became a member of a segment. `version` counts this customer's standing, as in `TierChanged`.

    `segment_id` and `segment_version` are the definition by which it was decided, `name` what it is called. `cause`:
    an event, that time passed (`by_time`, too), or no change of the customer's at all: the definition went live
    (`defined`) or became another one (`redefined`). `order_id` as in `TierChanged`.
    """

    profile_id: UUID
    version: Version
    segment_id: str
    segment_version: int
    name: str
    reason: str
    cause: Literal["event", "time", "defined", "redefined"]
    by_time: bool = False
    order_id: str | None = None


class SegmentExited(Body, frozen=True):
    """A customer is no member of a segment any more. All fields as in `SegmentEntered`."""

    profile_id: UUID
    version: Version
    segment_id: str
    segment_version: int
    name: str
    reason: str
    cause: Literal["event", "time", "defined", "redefined"]
    by_time: bool = False
    order_id: str | None = None


class OrderReassigned(Body, frozen=True):
    """One customer's event is about another order row, too: the order moved, or a shop tells it elsewhere.

    Published among a profile's events, under both customers. `mark` is what is now known of `from_profile`'s row
    `from_order`; `order` is all that is known of the order that counts, `to_profile`'s `to_order`. Rows are named as
    `orders.order_key` has it. Both are merged into what a reader knows, so repeats and any order do no harm.
    """

    from_profile: UUID
    from_order: str
    to_profile: UUID
    to_order: str
    mark: Order
    order: Order


CHANGES: Final[dict[type[Body], str]] = {
    ProfileChanged: "rapport.profile_changed.v1",
    ProfileMerged: "rapport.profile_merged.v1",
    ConfirmationRequested: "rapport.confirmation_requested.v1",
    OrderReassigned: "rapport.order_reassigned.v1",
    TierChanged: "rapport.tier_changed.v1",
    StageChanged: "rapport.stage_changed.v1",
    SegmentEntered: "rapport.segment_entered.v1",
    SegmentExited: "rapport.segment_exited.v1",
    ProfileSplit: "rapport.profile_split.v1",
    ProfileErased: "rapport.profile_erased.v1",
    RatesPublished: "rapport.rates_published.v1",
}
