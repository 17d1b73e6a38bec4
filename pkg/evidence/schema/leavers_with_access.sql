-- People whose employment has ended, or who were shut out, as the newest event about them says (payload.person), and who
-- still have access: grants that policy has not taken away, or workflows of their leaving that have not reached every
-- target (a target that is down, a guard that holds, a fault nobody has mended). left_at and event are of the end of
-- employment named last.
CREATE OR REPLACE VIEW {{.Database}}.leavers_with_access AS
SELECT identity_id, left_at, event, grants, open_cases
FROM
(
    SELECT
        identity_id,
        argMaxIf(kind, decided, ends) AS event,
        argMaxIf(effective_at, decided, ends) AS left_at
    FROM
    (
        SELECT
            identity_id, kind, effective_at,
            (occurred_at, src_offset) AS decided,
            kind IN ('identity.termination', 'identity.emergency_termination', 'identity.contract_ended', 'identity.hire_rescinded') AS ends,
            JSONExtractRaw(payload, 'person') AS person
        FROM {{.Database}}.evidence
        WHERE startsWith(kind, 'identity.')
    )
    WHERE NOT (person IN ('', 'null'))
    GROUP BY identity_id
    HAVING countIf(ends) > 0
       AND (JSONExtractString(argMax(person, decided), 'status') = 'ended' OR JSONExtractBool(argMax(person, decided), 'emergency'))
) AS leavers
LEFT JOIN (SELECT identity_id, count() AS grants FROM {{.Database}}.access_now GROUP BY identity_id) AS access USING (identity_id)
LEFT JOIN
(
    SELECT identity_id, count() AS open_cases
    FROM {{.Database}}.cases
    WHERE trigger IN ('identity.termination', 'identity.emergency_termination', 'identity.contract_ended', 'identity.hire_rescinded')
      AND (closed_at IS NULL OR outcome = 'failed' AND remediated_at IS NULL)
    GROUP BY identity_id
) AS unfinished USING (identity_id)
WHERE grants > 0 OR open_cases > 0
