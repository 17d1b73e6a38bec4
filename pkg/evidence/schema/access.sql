-- Who had what at an instant, by what was known at an instant. The rows that hold at the one and were known at the other
-- are folded in the order they were decided, so that a late "granted" of older date never defeats an end.
-- since: the first of the grants since the last end. until: the first end after the instant that was known, else the
-- one announced last with the grant, its grace or its extension (payload.until), else null.
CREATE OR REPLACE VIEW {{.Database}}.{{.Name}} AS
SELECT
    identity_id, role, target, entitlement,
    minIf(effective_at, grants AND NOT later AND decided > last_end) AS since,
    coalesce(
        minOrNullIf(effective_at, ends AND later),
        parseDateTime64BestEffortOrNull(argMaxIf(announced, decided, NOT ends AND NOT later), 3, 'UTC')) AS until
FROM
(
    SELECT
        identity_id, role, target, entitlement, effective_at, grants, ends, decided, later, announced,
        max(if(NOT ends OR later, (toDateTime64(0, 3, 'UTC'), toUInt64(0)), decided)) OVER (PARTITION BY identity_id, role, target, entitlement) AS last_end
    FROM
    (
        SELECT
            identity_id, role, target, entitlement, effective_at,
            kind = 'access.granted' AS grants,
            kind IN ('access.revoked', 'access.expired') AS ends,
            (occurred_at, src_offset) AS decided,
            effective_at > {{.At}} AS later,
            JSONExtractString(payload, 'until') AS announced
        FROM {{.Database}}.evidence
        WHERE kind IN ('access.granted', 'access.extended', 'access.grace_started', 'access.revoked', 'access.expired') AND known_at <= {{.Known}}
    )
)
GROUP BY identity_id, role, target, entitlement
HAVING countIf(grants AND NOT later AND decided > last_end) > 0
