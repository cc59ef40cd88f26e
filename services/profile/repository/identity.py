"""Identities, their owners and the log, under locks taken in one order."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import msgspec

from services.profile.domain.decision import RULE_VERSION, Decision
from services.profile.domain.fold import CLAIMED_USER_ID, ProfileState, claimed_in, current
from services.profile.repository.history import partition_of
from shared.contracts.identity import Identity, Namespace, user_ids_of
from shared.database.database import Work
from shared.errors import TryAgain

_decode_state = msgspec.json.Decoder(ProfileState).decode


def decode_state(text: str) -> ProfileState:
    """Returns a stored state, whichever version of the code stored it."""
    return current(_decode_state(text))


@dataclass(slots=True)
class Stored:
    """A profile as it stands."""

    version: int
    state: ProfileState


async def owners(
    work: Work, identities: Iterable[Identity], claims: Iterable[Identity]
) -> tuple[dict[Identity, UUID], dict[Identity, UUID]]:
    """Locks these identities, known or new, until the transaction ends; the profiles that own them now.

    `claims` are user ids as public keys name them; the second part of what is returned has their owners.
    New ones are inserted first and all are locked after, each time in one order: two batches that share
    identities wait for each other and do not deadlock.
    """
    named = {(one.namespace.value, one.value) for one in identities}
    wanted = sorted(named | {(claimed_in(one.namespace.space), one.value) for one in claims})
    names = {"namespaces": [namespace for namespace, _ in wanted], "values": [value for _, value in wanted]}
    await work.run(
        "INSERT INTO identities (namespace, value) SELECT * FROM unnest(CAST(:namespaces AS text[]), "
        "CAST(:values AS text[])) ON CONFLICT DO NOTHING",
        **names,
    )
    rows = await work.rows(
        "SELECT i.namespace, i.value, coalesce(a.canonical_id, i.profile_id) AS owner FROM identities i "
        "JOIN unnest(CAST(:namespaces AS text[]), CAST(:values AS text[])) AS w(namespace, value) "
        "USING (namespace, value) LEFT JOIN profile_aliases a ON a.profile_id = i.profile_id "
        "ORDER BY i.namespace, i.value FOR UPDATE OF i",
        **names,
    )
    if len(rows) < len(wanted):
        raise TryAgain("a customer who had one of these identities was erased at this moment")
    owned: dict[Identity, UUID] = {}
    claimed: dict[Identity, UUID] = {}
    for row in rows:
        kind, _, space = row.namespace.partition("@")
        if row.owner is not None and kind == CLAIMED_USER_ID:
            claimed[Identity(user_ids_of(space), row.value)] = row.owner
        elif row.owner is not None:
            owned[Identity(Namespace(row.namespace), row.value)] = row.owner
    return owned, claimed


async def fan_out(work: Work, identities: Iterable[Identity], *, most: int) -> dict[Identity, set[UUID]]:
    """Returns by value who else gave it to a trusted source and was refused: at most so many of each."""
    wanted = sorted({(one.namespace.value, one.value) for one in identities})
    if not wanted:
        return {}
    rows = await work.rows(
        """
        SELECT w.namespace, w.value, l.profile_id
          FROM unnest(CAST(:namespaces AS text[]), CAST(:values AS text[])) AS w(namespace, value)
         CROSS JOIN LATERAL (
               SELECT DISTINCT profile_id
                 FROM identity_log
                WHERE kind = 'refuse'
                  AND provenance <> 'public'
                  AND namespace = w.namespace
                  AND value = w.value
                LIMIT :most
               ) AS l
        """,
        namespaces=[namespace for namespace, _ in wanted],
        values=[value for _, value in wanted],
        most=most,
    )
    found: dict[Identity, set[UUID]] = {}
    for row in rows:
        found.setdefault(Identity(Namespace(row.namespace), row.value), set()).add(row.profile_id)
    return found


async def lock_profiles(work: Work, profile_ids: Iterable[UUID]) -> dict[UUID, Stored]:
    """Locks profiles in the order of their ids; those that do not exist (any more) are left out."""
    rows = await work.rows(
        "SELECT id, version, state::text AS state FROM profiles WHERE id = ANY(CAST(:ids AS uuid[])) "
        "ORDER BY id FOR UPDATE",
        ids=sorted(set(profile_ids)),
    )
    return {row.id: Stored(row.version, decode_state(row.state)) for row in rows}


async def write_owners(work: Work, owned: Mapping[tuple[str, str], UUID]) -> None:
    """Gives identities, by namespace and value, their first owner."""
    if not owned:
        return
    await work.run(
        "UPDATE identities i SET profile_id = n.profile_id FROM unnest(CAST(:namespaces AS text[]), "
        "CAST(:values AS text[]), CAST(:owners AS uuid[])) AS n(namespace, value, profile_id) "
        "WHERE i.namespace = n.namespace AND i.value = n.value AND i.profile_id IS NULL",
        namespaces=[namespace for namespace, _ in owned],
        values=[value for _, value in owned],
        owners=list(owned.values()),
    )


async def write_log(work: Work, decisions: Sequence[Decision]) -> None:
    """Appends to the identity log. A refusal that stands there already is not written again."""
    if not decisions:
        return
    names = [one.name or (None, None) for one in decisions]
    await work.run(
        """
        INSERT INTO identity_log
               (at, kind, profile_id, other_id, namespace, value, event_id, rule_version, reason, provenance, verified)
        SELECT :now, kind, profile_id, other_id, namespace, value, event_id, :rule_version, reason, provenance, verified
          FROM unnest(CAST(:kinds AS text[]), CAST(:profiles AS uuid[]), CAST(:others AS uuid[]),
                      CAST(:namespaces AS text[]), CAST(:values AS text[]), CAST(:events AS uuid[]),
                      CAST(:reasons AS text[]), CAST(:provenances AS text[]), CAST(:verified AS boolean[]))
               WITH ORDINALITY AS n(kind, profile_id, other_id, namespace, value, event_id, reason, provenance,
                                    verified, line)
         ORDER BY line
            ON CONFLICT DO NOTHING
        """,
        now=work.now,
        rule_version=RULE_VERSION,
        kinds=[one.kind for one in decisions],
        profiles=[one.profile_id for one in decisions],
        others=[one.other_id for one in decisions],
        namespaces=[namespace for namespace, _ in names],
        values=[value for _, value in names],
        events=[one.event_id for one in decisions],
        reasons=[one.reason for one in decisions],
        provenances=[one.provenance.value for one in decisions],
        verified=[one.verified if one.kind == "merge" else None for one in decisions],
    )


async def move_rows(work: Work, *, loser: UUID, survivor: UUID) -> None:
    """Gives the survivor of a merge the loser's events and counts, and takes the loser's row away.

    An event stays in its partition of the history: a reader who has read the survivor's would not find it there.
    """
    ids = {"loser": loser, "survivor": survivor}
    await work.run(
        """
        UPDATE timeline
           SET profile_id = :survivor, partition = coalesce(partition, CAST(:partition AS smallint))
         WHERE profile_id = :loser
        """,
        partition=partition_of(loser),
        **ids,
    )
    await work.run(
        "WITH gone AS (DELETE FROM counts WHERE profile_id = :loser RETURNING kind, name, times) "
        "INSERT INTO counts (profile_id, kind, name, times) SELECT :survivor, kind, name, times FROM gone "
        "ON CONFLICT (profile_id, kind, name) DO UPDATE SET times = counts.times + excluded.times",
        **ids,
    )
    await work.run("DELETE FROM profiles WHERE id = :loser", loser=loser)
