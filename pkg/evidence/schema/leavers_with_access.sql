-- People whose employment has ended, or who were shut out, and who still have access, with the number of grants.
CREATE OR REPLACE VIEW {{.Database}}.leavers_with_access AS
SELECT identity_id, left_at, event, grants
FROM
(
    SELECT
        identity_id,
        argMax(kind, (occurred_at, src_offset)) AS event,
        argMax(effective_at, (occurred_at, src_offset)) AS left_at
    FROM {{.Database}}.evidence
    WHERE kind IN ('identity.termination', 'identity.emergency_termination', 'identity.contract_ended', 'identity.termination_corrected',
                   'identity.hire', 'identity.rehire', 'identity.conversion', 'identity.termination_reversed', 'identity.emergency_lifted')
    GROUP BY identity_id
    HAVING event IN ('identity.termination', 'identity.emergency_termination', 'identity.contract_ended', 'identity.termination_corrected')
       AND left_at <= {{.At}}
) AS leavers
INNER JOIN (SELECT identity_id, count() AS grants FROM {{.Database}}.access_now GROUP BY identity_id) AS access USING (identity_id)
