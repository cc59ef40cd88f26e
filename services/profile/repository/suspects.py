"""Links of before it was kept who made them: what an event of a public key joined, as its timeline tells."""

from typing import Any, Final
from uuid import UUID

import msgspec

from shared.database.database import Work


class Suspect(msgspec.Struct, frozen=True, kw_only=True):
    """Something in the identity log of which today's rules would not have made one customer.

    `profile_id` stands for the customer now; `other_id` was merged into it. `event_id` is the cause.
    """

    kind: str
    profile_id: UUID
    other_id: UUID | None = None
    namespace: str | None = None
    value: str | None = None
    event_id: UUID | None = None
    at: str | None = None


# Lines of before have no provenance: who made them is the kind of source of the event behind, which stands on the
# timeline. A user id is no suspect where a trusted source has named it together with something else of that customer.
_MERGES: Final = """
    SELECT 'merge' AS kind, coalesce(a.canonical_id, g.profile_id) AS profile_id, g.other_id,
           NULL AS namespace, NULL AS value, g.event_id, g.at::text AS at
      FROM identity_log g
      JOIN timeline t USING (event_id)
      LEFT JOIN profile_aliases a ON a.profile_id = g.profile_id
     WHERE g.kind = 'merge' AND g.provenance IS NULL AND t.source_kind = 'public'
     ORDER BY g.id
     LIMIT :limit
"""
_CLAIMS: Final = """
    SELECT 'user_id' AS kind, coalesce(a.canonical_id, g.profile_id) AS profile_id, NULL AS other_id,
           g.namespace, g.value, g.event_id, g.at::text AS at
      FROM identity_log g
      JOIN timeline t USING (event_id)
      LEFT JOIN profile_aliases a ON a.profile_id = g.profile_id
     WHERE g.kind = 'link' AND g.provenance IS NULL AND g.namespace = 'user_id' AND t.source_kind = 'public'
       AND EXISTS (SELECT 1
                     FROM profiles p
                    WHERE p.id = coalesce(a.canonical_id, g.profile_id)
                      AND (p.state->'identities' ?| array['email', 'phone']
                           OR jsonb_array_length(p.state->'identities'->'user_id') > 1))
       AND NOT EXISTS (SELECT 1
                         FROM timeline s
                        WHERE s.profile_id = coalesce(a.canonical_id, g.profile_id) AND s.source_kind <> 'public'
                          AND s.identities @> jsonb_build_array(jsonb_build_array(g.namespace, g.value))
                          AND jsonb_array_length(s.identities) > 1)
     ORDER BY g.id
     LIMIT :limit
"""
_CONTACTS: Final = """
    SELECT DISTINCT 'contact' AS kind, coalesce(a.canonical_id, g.profile_id) AS profile_id,
           CAST(NULL AS uuid) AS other_id, g.namespace, g.value, g.event_id, g.at::text AS at, g.id
      FROM identity_log g
      JOIN timeline t USING (event_id)
      CROSS JOIN jsonb_array_elements(t.identities) AS named(identity)
      JOIN identity_log d ON d.kind = 'link' AND d.provenance IS NULL AND d.namespace = 'anonymous_id'
                         AND d.value = named.identity->>1
      JOIN timeline b ON b.event_id = d.event_id AND b.source_kind = 'public'
      LEFT JOIN profile_aliases a ON a.profile_id = g.profile_id
      JOIN profiles p ON p.id = coalesce(a.canonical_id, g.profile_id) AND p.state->'identities' ? 'user_id'
     WHERE g.kind = 'link' AND g.provenance IS NULL AND g.namespace IN ('email', 'phone')
       AND named.identity->>0 = 'anonymous_id'
       AND NOT jsonb_path_exists(t.identities, '$[*] ? (@[0] == "user_id")')
     ORDER BY g.id
     LIMIT :limit
"""
_USERS: Final = """
    SELECT 'users' AS kind, p.id AS profile_id, NULL AS other_id, 'user_id' AS namespace,
           (SELECT string_agg(u.value, ', ' ORDER BY u.value)
              FROM jsonb_array_elements_text(p.state->'identities'->'user_id') AS u(value)) AS value,
           NULL AS event_id, NULL AS at
      FROM profiles p
     WHERE jsonb_array_length(p.state->'identities'->'user_id') > 1
       AND NOT EXISTS (SELECT 1 FROM timeline t WHERE t.profile_id = p.id AND t.merges AND t.source_kind <> 'public')
     ORDER BY p.id
     LIMIT :limit
"""


# Two shops that count from 1 named two people by one user id of the common space: each knows other addresses of it.
_SHOPS: Final = """
    SELECT 'shops' AS kind, profile_id, CAST(NULL AS uuid) AS other_id, 'user_id' AS namespace, user_id AS value,
           CAST(NULL AS uuid) AS event_id, CAST(min(at) AS text) AS at
      FROM (
           SELECT t.profile_id, u.identity->>1 AS user_id, t.source_id, e.identity->>1 AS email,
                  min(t.received_at) AS at
             FROM timeline t
            CROSS JOIN jsonb_array_elements(t.identities) AS u(identity)
            CROSS JOIN jsonb_array_elements(t.identities) AS e(identity)
            WHERE t.source_kind <> 'public' AND u.identity->>0 = 'user_id' AND e.identity->>0 = 'email'
            GROUP BY 1, 2, 3, 4
           ) named
     GROUP BY profile_id, user_id
    HAVING count(DISTINCT source_id) > 1 AND count(DISTINCT email) > 1
       AND count(DISTINCT email) = count(DISTINCT (source_id, email))
     ORDER BY profile_id, user_id
     LIMIT :limit
"""


async def suspects(work: Work, *, limit: int) -> list[Suspect]:
    """Returns at most `limit` of each kind, the oldest first."""
    found: list[Suspect] = []
    for query in (_MERGES, _CLAIMS, _CONTACTS, _USERS, _SHOPS):
        found += [_suspect(row) for row in await work.rows(query, limit=limit)]
    return found


def _suspect(row: Any) -> Suspect:
    return Suspect(**{name: getattr(row, name) for name in Suspect.__struct_fields__})
