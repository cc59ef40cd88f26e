"""The five applications without their loops, every route that takes a token, and tokens for them."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

import httpx2
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import FastAPI

from deploy.local.process import LOOPBACK
from services.campaign.main import build as build_campaign
from services.campaign.settings import CampaignSettings
from services.feedback.main import build as build_feedback
from services.feedback.settings import FeedbackSettings
from services.ingest.domain.catalogue.registry import TYPED_ROUTES
from services.ingest.main import build as build_ingest
from services.ingest.service.triage import Publisher
from services.ingest.settings import IngestSettings
from services.profile.main import build as build_profile
from services.profile.settings import ProfileSettings
from services.segment.main import build as build_segment
from services.segment.settings import SegmentSettings
from shared.service import process
from shared.service.clock import SystemClock
from tests.support.events import SECRET

KEY: Final = Ed25519PrivateKey.generate()
PUBLIC_KEY: Final = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
SERVICES: Final = ("ingest", "profile", "segment", "campaign", "feedback")
# Routes that know their callers by a write key or a signature: tests/contract and test_ingest_ways.py have those.
WRITERS: Final = {
    *("batch", "track", "identify", "page", "screen", "group", "alias", "projects/{write_key}/settings"),
    *(*TYPED_ROUTES, "cloudevents", "webhooks/{source_id}", "rapport.js", "pixel.gif"),
}
NOWHERE: Final = "postgresql+asyncpg://nobody@127.0.0.1:1/nothing"
# Pages of links in mails, which a signed token opens: tests/integration/test_consent_links.py has those.
LINKS: Final = {"/v1/confirm/{token}", "/v1/unsubscribe/{token}", "/v1/preferences/{token}"}
# Routes about whoever asks, with a customer's own token alone: tests/integration/test_campaign_channels.py has those.
OWN: Final = {"/v1/inbox", "/v1/inbox/{message_id}/read", "/v1/inbox/{message_id}/dismiss"}
SOMEBODY: Final = UUID(int=42, version=4)


JOURNEY: Final[dict[str, Any]] = {
    "name": {"en": "Thing", "zh": "东西"},
    "trigger": {"type": "called"},
    "start": "gift",
    "nodes": {
        "gift": {"type": "coupon", "name": "gift", "value": {"type": "percent", "percent": 5}, "next": "pause"},
        "pause": {"type": "wait", "time": "P1D"},
    },
}
BROADCAST: Final[dict[str, Any]] = {
    "name": {"en": "Thing", "zh": "东西"},
    "segment": "tea",
    "template": "win-back",
}


class Route(NamedTuple):
    """A route, the scope it takes, and whether a customer's own token will do instead."""

    service: str
    method: str
    path: str
    scope: str
    customer: bool = False
    body: Mapping[str, Any] | None = None

    def __str__(self) -> str:
        return f"{self.service}: {self.method} {self.path}"

    def url(self, **changes: str) -> str:
        """The path with values that are in order, unless changed."""
        ids = (
            *("ref", "profile_id", "source_id", "case_id", "payload_id", "import_id", "suppression_id"),
            "split_id",
            *("run_id", "message_id"),
        )
        good = {name: str(SOMEBODY) for name in ids}
        good |= {
            "journey_id": "win-back",
            "template_id": "win-back",
            "broadcast_id": "spring-sale",
            "code": "0123456789",
            "segment_id": "silent",
            "other": "gold",
            "tag": "tea lover",
            "list_id": "spring-tasting",
            "version": "1",
            "channel": "email",
            "name": "nonsense",
            "programme": "default",
        }
        return self.path.format(**(good | changes))


ANSWER: Final = {"customer": {"profile_id": str(SOMEBODY)}, "survey": "nps", "rating": 9}
ERASED: Final = {"identities": [{"namespace": "email", "value": "nobody-here@example.com"}]}
SPLIT: Final = {"identities": [{"namespace": "user_id", "value": "43"}], "reason": "two sisters"}
RATES: Final = {"rates": [{"base": "EUR", "quote": "USD", "day": "2026-02-27", "rate": "1.0834"}]}
CONDITION: Final = {"kind": "tier", "among": ["gold"]}
ASKED: Final = {"condition": CONDITION, "profile_ids": [str(SOMEBODY)]}
TRIED: Final = {"condition": CONDITION}
IMPORT: Final = {"source_id": str(SOMEBODY), "name": "a.csv", "options": {"format": "csv", "preset": "orders"}}
PROGRAMME: Final = {"window": {"kind": "lifetime"}, "tiers": [{"name": "all", "at_least": 0}]}
GIVEN: Final = {"tier": "gold", "reason": "a partner"}
REPORTS: Final = ("tiers", "stages", "rfm", "abc", "sizes")
ROUTES: Final = (
    Route("ingest", "POST", "/v1/sources", "ingest:admin", body={"name": "shop"}),
    Route("ingest", "GET", "/v1/sources", "ingest:read"),
    Route("ingest", "GET", "/v1/sources/{source_id}", "ingest:read"),
    Route("ingest", "PATCH", "/v1/sources/{source_id}", "ingest:admin", body={"name": "shop"}),
    Route("ingest", "DELETE", "/v1/sources/{source_id}", "ingest:admin"),
    Route("ingest", "POST", "/v1/sources/{source_id}/keys", "ingest:admin", body={"grace_hours": 1}),
    Route("ingest", "POST", "/v1/sources/{source_id}/disable", "ingest:admin"),
    Route("ingest", "POST", "/v1/sources/{source_id}/enable", "ingest:admin"),
    Route("ingest", "GET", "/v1/sources/{source_id}/figures", "ingest:read"),
    Route("ingest", "GET", "/v1/sources/{source_id}/tail", "ingest:read"),
    Route("ingest", "POST", "/v1/sources/{source_id}/mapping/preview", "ingest:write", body={"payload": {}}),
    Route("ingest", "PUT", "/v1/sources/{source_id}/plan", "ingest:admin", body={"events": {}}),
    Route("ingest", "GET", "/v1/sources/{source_id}/plan", "ingest:read"),
    Route("ingest", "GET", "/v1/sources/{source_id}/plan/versions", "ingest:read"),
    Route("ingest", "GET", "/v1/sources/{source_id}/plan/versions/{version}", "ingest:read"),
    Route("ingest", "PUT", "/v1/sources/{source_id}/plan/in-force", "ingest:admin", body={"version": None}),
    Route("ingest", "POST", "/v1/sources/{source_id}/plan/infer", "ingest:read"),
    Route("ingest", "GET", "/v1/sources/{source_id}/violations", "ingest:read"),
    Route("ingest", "GET", "/v1/vocabulary", "ingest:read"),
    Route("ingest", "GET", "/v1/quarantine", "ingest:read"),
    Route("ingest", "GET", "/v1/quarantine/reasons", "ingest:read"),
    Route("ingest", "GET", "/v1/quarantine/{payload_id}", "ingest:read"),
    Route("ingest", "POST", "/v1/quarantine/release", "ingest:write", body={"limit": 10}),
    Route("ingest", "POST", "/v1/quarantine/{payload_id}/release", "ingest:write", body={"dry_run": True}),
    Route("ingest", "POST", "/v1/quarantine/{payload_id}/drop", "ingest:write", body={"note": "spam"}),
    Route("ingest", "POST", "/v1/erasures", "ingest:admin", body=ERASED),
    Route("ingest", "POST", "/v1/imports", "ingest:admin", body=IMPORT),
    Route("ingest", "PUT", "/v1/imports/{import_id}/content", "ingest:admin"),
    Route("ingest", "GET", "/v1/imports", "ingest:read"),
    Route("ingest", "GET", "/v1/imports/{import_id}", "ingest:read"),
    Route("ingest", "GET", "/v1/imports/{import_id}/rejects", "ingest:read"),
    Route("profile", "GET", "/v1/customer-data/{profile_id}", "profile:admin"),
    Route("segment", "GET", "/v1/customer-data/{profile_id}", "segment:admin"),
    Route("campaign", "GET", "/v1/customer-data/{profile_id}", "campaign:admin"),
    Route("feedback", "GET", "/v1/customer-data/{profile_id}", "feedback:admin"),
    Route("profile", "GET", "/v1/profiles", "profile:read"),
    Route("profile", "GET", "/v1/shared-values", "profile:read"),
    Route("profile", "GET", "/v1/totals", "profile:read"),
    Route("profile", "PUT", "/v1/rates", "profile:admin", body=RATES),
    Route("profile", "GET", "/v1/rates", "profile:read"),
    Route("profile", "GET", "/v1/profiles/export", "profile:read"),
    Route("profile", "GET", "/v1/timeline/export", "profile:read"),
    Route("profile", "GET", "/v1/timeline/export/{profile_id}", "profile:read"),
    Route("profile", "GET", "/v1/timeline/ends", "profile:read"),
    Route("profile", "GET", "/v1/profiles/{ref}", "profile:read", customer=True),
    Route("profile", "GET", "/v1/profiles/{ref}/timeline", "profile:read", customer=True),
    Route("profile", "GET", "/v1/profiles/{ref}/identity-log", "profile:read"),
    Route("profile", "GET", "/v1/profiles/{ref}/explain", "profile:read"),
    Route("profile", "POST", "/v1/profiles/{ref}/split", "profile:write", body=SPLIT),
    Route("profile", "DELETE", "/v1/profiles/{ref}", "profile:admin"),
    Route("profile", "DELETE", "/v1/splits/{split_id}", "profile:write"),
    Route("profile", "GET", "/v1/profiles/{ref}/consents", "profile:read", customer=True),
    Route("segment", "POST", "/v1/segments", "segment:write", body={"id": "a", "name": "A", "condition": CONDITION}),
    Route("segment", "GET", "/v1/segments", "segment:read"),
    Route("segment", "GET", "/v1/segments/{segment_id}", "segment:read"),
    Route("segment", "PUT", "/v1/segments/{segment_id}", "segment:write", body={"name": "A", "condition": CONDITION}),
    Route("segment", "POST", "/v1/segments/{segment_id}/publish", "segment:write"),
    Route("segment", "POST", "/v1/segments/{segment_id}/archive", "segment:write"),
    Route("segment", "GET", "/v1/segments/{segment_id}/versions", "segment:read"),
    Route("segment", "GET", "/v1/segments/{segment_id}/members", "segment:read"),
    Route("segment", "GET", "/v1/segments/{segment_id}/members/export", "segment:read"),
    Route("segment", "GET", "/v1/segments/{segment_id}/overlap/{other}", "segment:read"),
    Route("segment", "GET", "/v1/segments/{segment_id}/explain/{profile_id}", "segment:read"),
    Route("segment", "GET", "/v1/profiles/{profile_id}/segments", "segment:read", customer=True),
    Route("segment", "POST", "/v1/conditions/preview", "segment:read", body={"condition": CONDITION}),
    Route("segment", "POST", "/v1/conditions/evaluate", "segment:read", body=ASKED),
    Route("segment", "POST", "/v1/tags", "segment:write", body={"name": "vip", "kind": "manual"}),
    Route("segment", "GET", "/v1/tags", "segment:read"),
    Route("segment", "GET", "/v1/tags/{tag}", "segment:read"),
    Route("segment", "PUT", "/v1/tags/{tag}", "segment:write", body={"kind": "manual"}),
    Route("segment", "DELETE", "/v1/tags/{tag}", "segment:write"),
    Route("segment", "GET", "/v1/profiles/{profile_id}/tags", "segment:read"),
    Route("segment", "PUT", "/v1/profiles/{profile_id}/tags/{tag}", "segment:write", body={"reason": "asked"}),
    Route("segment", "DELETE", "/v1/profiles/{profile_id}/tags/{tag}", "segment:write"),
    Route("segment", "POST", "/v1/lists", "segment:write", body={"id": "press", "name": "Press"}),
    Route("segment", "GET", "/v1/lists", "segment:read"),
    Route("segment", "GET", "/v1/lists/{list_id}", "segment:read"),
    Route("segment", "PUT", "/v1/lists/{list_id}", "segment:write", body={"name": "Press"}),
    Route("segment", "DELETE", "/v1/lists/{list_id}", "segment:write"),
    Route("segment", "GET", "/v1/lists/{list_id}/members", "segment:read"),
    Route("segment", "POST", "/v1/lists/{list_id}/members", "segment:write"),
    Route("segment", "POST", "/v1/lists/{list_id}/members/remove", "segment:write"),
    Route("segment", "POST", "/v1/conditions/dry-run", "segment:read", body=TRIED),
    Route("segment", "GET", "/v1/profiles/{profile_id}/standing", "segment:read", customer=True),
    Route("segment", "GET", "/v1/standings", "segment:read"),
    Route("segment", "GET", "/v1/tiers", "segment:read"),
    Route("segment", "GET", "/v1/counts", "segment:read"),
    Route("segment", "GET", "/v1/programmes", "segment:read"),
    Route("segment", "GET", "/v1/schemas/programme", "segment:read"),
    Route("segment", "GET", "/v1/programmes/{programme}", "segment:read"),
    Route("segment", "GET", "/v1/programmes/{programme}/versions", "segment:read"),
    Route("segment", "PUT", "/v1/programmes/{programme}", "segment:admin", body={"definition": PROGRAMME}),
    Route("segment", "POST", "/v1/programmes/{programme}/simulate", "segment:read", body={"definition": PROGRAMME}),
    Route("segment", "GET", "/v1/profiles/{profile_id}/tiers", "segment:read", customer=True),
    Route("segment", "PUT", "/v1/profiles/{profile_id}/tier-override", "segment:write", body=GIVEN),
    Route("segment", "DELETE", "/v1/profiles/{profile_id}/tier-override", "segment:write"),
    Route("segment", "POST", "/v1/conditions/parse", "segment:read", body={"text": "tier is gold"}),
    Route("segment", "POST", "/v1/conditions/describe", "segment:read", body={"condition": CONDITION}),
    *(Route("segment", "GET", f"/v1/reports/{name}", "segment:read") for name in REPORTS),
    Route("segment", "GET", "/v1/rfm", "segment:read"),
    Route("segment", "GET", "/v1/rfm/versions", "segment:read"),
    Route("segment", "GET", "/v1/abc", "segment:read"),
    Route("campaign", "GET", "/v1/journeys", "campaign:read"),
    Route("campaign", "GET", "/v1/shelf", "campaign:read"),
    Route("campaign", "POST", "/v1/shelf/{journey_id}/take", "campaign:write"),
    Route("campaign", "GET", "/v1/coupons/{code}", "campaign:read"),
    Route("campaign", "POST", "/v1/coupons/{code}/redeem", "campaign:write"),
    Route("campaign", "GET", "/v1/profiles/{profile_id}/coupons", "campaign:read", customer=True),
    Route("campaign", "POST", "/v1/broadcasts", "campaign:write", body={"id": "sale", "definition": BROADCAST}),
    Route("campaign", "GET", "/v1/broadcasts", "campaign:read"),
    Route("campaign", "GET", "/v1/broadcasts/{broadcast_id}", "campaign:read"),
    Route("campaign", "PUT", "/v1/broadcasts/{broadcast_id}", "campaign:write"),
    *(
        Route("campaign", "POST", f"/v1/broadcasts/{{broadcast_id}}/{verb}", "campaign:write")
        for verb in ("start", "pause", "resume", "cancel")
    ),
    Route("campaign", "POST", "/v1/journeys", "campaign:write", body={"id": "gift", "definition": JOURNEY}),
    Route("campaign", "GET", "/v1/journeys/{journey_id}", "campaign:read"),
    Route("campaign", "PUT", "/v1/journeys/{journey_id}", "campaign:write"),
    Route("campaign", "GET", "/v1/journeys/{journey_id}/impact", "campaign:read"),
    Route("campaign", "POST", "/v1/journeys/{journey_id}/dry-run", "campaign:read"),
    Route("campaign", "POST", "/v1/journeys/{journey_id}/publish", "campaign:write"),
    Route("campaign", "GET", "/v1/journeys/{journey_id}/versions", "campaign:read"),
    Route("campaign", "GET", "/v1/journeys/{journey_id}/runs", "campaign:read"),
    Route("campaign", "POST", "/v1/journeys/{journey_id}/runs", "campaign:write"),
    Route("campaign", "GET", "/v1/profiles/{profile_id}/runs", "campaign:read", customer=True),
    Route("campaign", "GET", "/v1/runs/{run_id}", "campaign:read"),
    Route("campaign", "POST", "/v1/runs/{run_id}/end", "campaign:write"),
    Route("campaign", "POST", "/v1/journeys/{journey_id}/pause", "campaign:write"),
    Route("campaign", "POST", "/v1/journeys/{journey_id}/resume", "campaign:write"),
    Route("campaign", "GET", "/v1/templates", "campaign:read"),
    Route("campaign", "POST", "/v1/templates", "campaign:write"),
    Route("campaign", "GET", "/v1/templates/{template_id}", "campaign:read"),
    Route("campaign", "PUT", "/v1/templates/{template_id}", "campaign:write"),
    Route("campaign", "POST", "/v1/templates/{template_id}/publish", "campaign:write"),
    Route("campaign", "GET", "/v1/templates/{template_id}/versions", "campaign:read"),
    Route("campaign", "POST", "/v1/templates/{template_id}/preview", "campaign:read"),
    Route("campaign", "POST", "/v1/templates/{template_id}/test-send", "campaign:write"),
    Route("campaign", "POST", "/v1/messages", "campaign:write"),
    Route("campaign", "GET", "/v1/messages/{message_id}", "campaign:read"),
    Route("campaign", "GET", "/v1/messages/{message_id}/copy", "campaign:read"),
    Route("campaign", "GET", "/v1/messages", "campaign:read"),
    Route("campaign", "GET", "/v1/messages/figures", "campaign:read"),
    Route("campaign", "GET", "/v1/profiles/{profile_id}/decisions", "campaign:read", customer=True),
    Route("campaign", "GET", "/v1/gate/policy", "campaign:read"),
    Route("campaign", "PUT", "/v1/gate/policy", "campaign:admin", body={"policy": {}}),
    Route("campaign", "GET", "/v1/gate/reasons", "campaign:read"),
    Route("campaign", "GET", "/v1/send-stop", "campaign:read"),
    Route("campaign", "POST", "/v1/send-stop", "campaign:admin"),
    Route("campaign", "DELETE", "/v1/send-stop", "campaign:admin"),
    Route("campaign", "GET", "/v1/provider-stops", "campaign:read"),
    Route("campaign", "POST", "/v1/provider-stops/{channel}/retry", "campaign:admin"),
    Route("campaign", "GET", "/v1/suppressions", "campaign:read"),
    Route("campaign", "POST", "/v1/suppressions", "campaign:admin"),
    Route("campaign", "DELETE", "/v1/suppressions/{suppression_id}", "campaign:admin"),
    Route("campaign", "GET", "/v1/send-cutoff", "campaign:read"),
    Route("campaign", "POST", "/v1/send-cutoff", "campaign:admin", body={"at": "2026-03-01T12:00:00Z"}),
    Route("feedback", "POST", "/v1/feedback", "feedback:write", customer=True, body=ANSWER),
    Route("feedback", "GET", "/v1/figures", "feedback:read"),
    Route("feedback", "GET", "/v1/profiles/{profile_id}/responses", "feedback:read", customer=True),
    Route("feedback", "GET", "/v1/responses/unsolicited", "feedback:read"),
    Route("feedback", "GET", "/v1/cases", "feedback:read"),
    Route("feedback", "POST", "/v1/cases/{case_id}/close", "feedback:write", body={"note": "called"}),
    *(Route(service, "GET", "/v1/audit", f"{service}:admin") for service in SERVICES),
)

# Former names, which go on working, and what tells the names that there are: these are described nowhere.
FORMER_ROUTES: Final[tuple[Route, ...]] = (
    Route("segment", "GET", "/v1/reports/{name}", "segment:read"),
    Route("campaign", "GET", "/v1/floor", "campaign:read"),
    Route("campaign", "POST", "/v1/floor", "campaign:admin", body={"at": "2026-03-01T12:00:00Z"}),
)


def routes_of(app: FastAPI) -> Iterator[tuple[str, str]]:
    """(method, path) of everything that an application answers, described or not."""
    for route in app.routes:
        router: Any = getattr(route, "original_router", None)
        found: list[Any] = [route] if router is None else router.routes
        for one in found:
            for method in one.methods or ():
                yield method, one.path_format


def token(subject: str = "operator", scope: str = "") -> dict[str, str]:
    """A bearer token; without a scope it is a customer's."""
    claims = {
        "sub": subject,
        "scope": scope,
        "iss": "rapport",
        "aud": "rapport",
        "exp": datetime.now(UTC) + timedelta(days=1),  # noqa: TID251 - PyJWT reads the machine's clock, too
    }
    return {"Authorization": f"Bearer {jwt.encode(claims, KEY, algorithm='EdDSA')}"}


def build(service: str, url: str, *, publisher: Publisher | None = None, **settings: Any) -> process.Service:
    """A service that is wired, but whose loops do not run; `publisher` is ingest's, instead of a broker's."""
    common: dict[str, Any] = {
        "database_url": url,
        "database_pool_size": 2,
        "kafka_bootstrap": "nowhere.invalid:9092",
        "partition_secret": SECRET.decode(),
        "http_port": 8001,
        "auth_public_key": PUBLIC_KEY,
        **settings,
    }
    mail: dict[str, Any] = {"mail_from": "hello@shop.example", "smtp_host": LOOPBACK, "smtp_port": 25}
    made: Mapping[str, Callable[[], process.Service]] = {
        "ingest": lambda: build_ingest(IngestSettings(**common), SystemClock(), producer=publisher),
        "profile": lambda: build_profile(ProfileSettings(**common), SystemClock()),
        "segment": lambda: build_segment(SegmentSettings(**common), SystemClock()),
        "campaign": lambda: build_campaign(CampaignSettings(**(mail | common)), SystemClock()),
        "feedback": lambda: build_feedback(FeedbackSettings(**common), SystemClock()),
    }
    return made[service]()


@asynccontextmanager
async def asking(
    service: process.Service, headers: Mapping[str, str] | None = None
) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a service. What the application lets escape is a 500, as it is to a caller."""
    assert service.app is not None
    transport = httpx2.ASGITransport(app=service.app, raise_app_exceptions=False)
    try:
        async with httpx2.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
            yield client
    finally:
        await service.database.close()
