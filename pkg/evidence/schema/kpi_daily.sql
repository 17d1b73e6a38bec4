-- One row per day (UTC) on which a case closed, or an exception opened or was resolved. Rates and percentiles of
-- nothing are null. A revocation is a case that a leaver's event opened.
CREATE OR REPLACE VIEW {{.Database}}.kpi_daily AS
SELECT
    day,
    countIf(what = 'closed') AS cases_closed,
    countIf(what = 'closed' AND succeeded) AS cases_succeeded,
    cases_succeeded / nullIf(cases_closed, 0) AS success_rate,
    countIf(what = 'closed' AND succeeded AND first_time) / nullIf(cases_closed, 0) AS first_time_success_rate,
    quantileExactOrNullIf(0.5)(ms, what = 'closed' AND ms IS NOT NULL) AS event_to_access_p50_ms,
    quantileExactOrNullIf(0.95)(ms, what = 'closed' AND ms IS NOT NULL) AS event_to_access_p95_ms,
    quantileExactOrNullIf(0.95)(ms, what = 'closed' AND leaver AND ms IS NOT NULL) AS time_to_revoke_p95_ms,
    countIf(what = 'exception') AS exceptions,
    avgOrNullIf(ms, what = 'resolved') AS mttr_ms
FROM
(
    SELECT
        assumeNotNull(toDate(closed_at)) AS day, 'closed' AS what, event_to_access_ms AS ms, outcome = 'succeeded' AS succeeded, exceptions = 0 AS first_time,
        trigger IN ('identity.termination', 'identity.emergency_termination', 'identity.contract_ended') AS leaver
    FROM {{.Database}}.cases
    WHERE closed_at IS NOT NULL
    UNION ALL
    SELECT toDate(opened_at), 'exception', NULL, false, false, false FROM {{.Database}}.exceptions
    UNION ALL
    SELECT assumeNotNull(toDate(resolved_at)), 'resolved', time_to_remediate_ms, false, false, false FROM {{.Database}}.exceptions WHERE resolved_at IS NOT NULL
)
GROUP BY day
ORDER BY day
