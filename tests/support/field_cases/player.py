"""Plays cases on a running stack, all at once, and looks at what came of each."""

import asyncio
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote

import httpx2

from deploy.demo.client import Client
from deploy.local.stack import Stack
from shared.service.clock import SystemClock
from tests.support.field_cases.case import Case, Delivery, Post, Step, Upload
from tests.support.running import eventually
from tests.support.webhooks import signed

AT_ONCE: Final = 8  # cases that are being sent
IDLE_SECONDS: Final = 60.0
SECRET: Final = "the secret of a shop in these tests"
HEADERS: Final[Mapping[str, tuple[str, str]]] = {
    "shopify": ("x-shopify-topic", "x-shopify-event-id"),
    "woocommerce": ("x-wc-webhook-topic", "x-wc-webhook-delivery-id"),
}
ENDED: Final = ("done", "failed")


class Player:
    """Sends the steps of cases; knows their sources, and what each step was answered."""

    def __init__(self, stack: Stack, http: httpx2.AsyncClient) -> None:
        self._stack = stack
        self._http = http
        self._bearer = {"Authorization": f"Bearer {stack.admin_token}"}
        self._sources: dict[tuple[str, str], dict[str, Any]] = {}
        self.answers: dict[str, list[dict[str, Any]]] = {}

    async def play(self, cases: Iterable[Case]) -> None:
        """Sends all steps, and the later ones once the stack has settled; returns when it has settled again."""
        cases = list(cases)
        async with Client(self._stack) as client:
            for part in ("steps", "later"):
                slots = asyncio.Semaphore(AT_ONCE)
                async with asyncio.TaskGroup() as tasks:
                    for case in cases:
                        tasks.create_task(self._send(case, getattr(case, part), slots))
                await client.until_idle(deadline_seconds=IDLE_SECONDS)

    async def _send(self, case: Case, steps: Iterable[Step], slots: asyncio.Semaphore) -> None:
        answers = self.answers.setdefault(case.sentence, [])
        for step in steps:
            async with slots:
                answers.append(await self._step(case, step))

    async def _step(self, case: Case, step: Step) -> dict[str, Any]:
        match step:
            case Post():
                source = await self._source(case, step.source, kind=step.kind)
                url, auth = f"{self._stack.url('ingest')}{step.path}", (source["write_key"], "")
                headers = [(name.encode(), text.encode()) for name, text in step.headers.items()]
                if not any(name.lower() == b"content-type" for name, _ in headers):
                    headers.append((b"Content-Type", b"application/json"))
                return answer_of(
                    await self._http.post(url, content=json.dumps(step.body).encode(), auth=auth, headers=headers)
                )
            case Delivery():
                return await self._deliver(case, step)
            case Upload():
                return await self._upload(case, step)
        raise AssertionError(f"{step} is no step")

    async def _deliver(self, case: Case, step: Delivery) -> dict[str, Any]:
        source = await self._source(case, step.source, format=step.form, secret=SECRET)
        content = json.dumps(step.body).encode()
        headers = signed(step.form, SECRET, content, at=SystemClock().now())
        if step.form in HEADERS:
            topic, delivery = HEADERS[step.form]
            headers |= {topic: step.topic, delivery: f"{case.sentence}-{len(self.answers[case.sentence])}"}
        return answer_of(
            await self._http.post(
                f"{self._stack.url('ingest')}/v1/webhooks/{source['id']}",
                content=content,
                headers={"Content-Type": "application/json", **headers},
            )
        )

    async def _upload(self, case: Case, step: Upload) -> dict[str, Any]:
        source = await self._source(case, step.source)
        url = f"{self._stack.url('ingest')}/v1/imports"
        wanted = {"source_id": source["id"], "name": case.sentence[:100], "options": step.options}
        made = await self._http.post(url, json=wanted, headers=self._bearer)
        if made.is_error:
            return answer_of(made)
        one = f"{url}/{made.json()['id']}"
        put = await self._http.put(f"{one}/content", content=step.content, headers=self._bearer)
        put.raise_for_status()
        return await eventually(lambda: self._import(one), lambda found: found["state"] in ENDED)

    async def _import(self, url: str) -> dict[str, Any]:
        return answer_of(await self._http.get(url, headers=self._bearer))

    async def _source(self, case: Case, name: str, **fields: Any) -> dict[str, Any]:
        if (case.sentence, name) not in self._sources:
            body = {"name": f"{name}: {case.sentence}"[:100], **fields}
            made = await self._http.post(f"{self._stack.url('ingest')}/v1/sources", json=body, headers=self._bearer)
            made.raise_for_status()
            self._sources[case.sentence, name] = made.json()
        return self._sources[case.sentence, name]

    async def outcome(self, case: Case) -> dict[str, Any]:
        """Returns what came of a case, in the form of `expected`."""
        known = {who: await self._profile(who) for who in (*case.profiles, *case.standings, *case.decisions)}
        ids = {who: (found or {}).get("id") for who, found in known.items()}
        mails = (await self._get("mail", "/api/messages?limit=1000"))["messages"] if case.mails else []
        return {
            "answers": [
                part(found, step.answer) for found, step in zip(self.answers[case.sentence], sent(case), strict=True)
            ],
            "profiles": {who: part(known[who], wanted) for who, wanted in case.profiles.items()},
            "standings": {
                who: part(await self._get("segment", f"/v1/profiles/{ids[who]}/standing"), wanted)
                for who, wanted in case.standings.items()
            },
            "quarantine": {name: await self._quarantine(case, name) for name in sorted(case.sources)},
            "conflicts": {name: await self._conflicts(case, name) for name in case.conflicts},
            "decisions": {who: await self._decisions(ids[who]) for who in case.decisions},
            "mails": {to: [one["subject"] for one in mails if to in one["rcpt"]] for to in case.mails},
        }

    async def _profile(self, who: str) -> dict[str, Any] | None:
        found = await self._get("profile", f"/v1/profiles/{quote(who, safe=':@')}")
        return None if found["status"] == httpx2.codes.NOT_FOUND else found

    async def _quarantine(self, case: Case, name: str) -> list[str]:
        source = self._sources[case.sentence, name]["id"]
        kept = await self._get("ingest", f"/v1/quarantine?source_id={source}&state=held")
        return sorted(one["reason_code"] for one in kept["events"])

    async def _conflicts(self, case: Case, name: str) -> float:
        counter = f'rapport_conflicting_duplicates_total{{source="{self._sources[case.sentence, name]["id"]}"}} '
        lines = (await self._http.get(f"{self._stack.url('profile')}/metrics")).text.splitlines()
        return sum(float(line.removeprefix(counter)) for line in lines if line.startswith(counter))

    async def _decisions(self, profile_id: Any) -> list[tuple[str, str]]:
        found = await self._get("campaign", f"/v1/profiles/{profile_id}/decisions")
        return [(one["outcome"], one["reason"]) for one in reversed(found.get("decisions", []))]

    async def _get(self, service: str, path: str) -> dict[str, Any]:
        return answer_of(await self._http.get(f"{self._stack.url(service)}{path}", headers=self._bearer))


def expected(case: Case) -> dict[str, Any]:
    """Returns what a case expects, in the form of `Player.outcome`."""
    return {
        "answers": [dict(step.answer) for step in sent(case)],
        "profiles": dict(case.profiles),
        "standings": dict(case.standings),
        "quarantine": {name: sorted(case.quarantine.get(name, [])) for name in case.sources},
        "conflicts": dict(case.conflicts),
        "decisions": {who: list(decisions) for who, decisions in case.decisions.items()},
        "mails": {to: list(subjects) for to, subjects in case.mails.items()},
    }


def sent(case: Case) -> list[Step]:
    """Returns all steps of a case, in their order."""
    return [*case.steps, *case.later]


def answer_of(response: httpx2.Response) -> dict[str, Any]:
    """Returns the JSON of a response, with its status."""
    return {**response.json(), "status": response.status_code}


def part(found: Mapping[str, Any] | None, wanted: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Returns of what was found what is asked for; all of it, if nothing should have been found."""
    if found is None or wanted is None:
        return None if found is None else dict(found)
    return {name: found.get(name) for name in wanted}
