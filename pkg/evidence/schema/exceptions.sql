-- One row per exception, from the row that opened it; unresolved ones have nulls.
CREATE OR REPLACE VIEW {{.Database}}.exceptions AS
SELECT
    exception_id,
    argMinIf(row_class, occurred_at, opens) AS class,
    argMinIf(row_case, occurred_at, opens) AS case_id,
    argMinIf(row_identity, occurred_at, opens) AS identity_id,
    argMinIf(row_target, occurred_at, opens) AS target,
    minIf(occurred_at, opens) AS opened_at,
    maxOrNullIf(occurred_at, NOT opens) AS resolved_at,
    argMaxIf(row_resolution, occurred_at, NOT opens) AS resolution,
    dateDiff('millisecond', opened_at, resolved_at) AS time_to_remediate_ms
FROM
(
    SELECT
        JSONExtractString(payload, 'exception_id') AS exception_id,
        kind = 'exception.opened' AS opens,
        occurred_at,
        if(JSONExtractString(payload, 'class') = '', toString(reason), JSONExtractString(payload, 'class')) AS row_class,
        JSONExtractString(payload, 'resolution') AS row_resolution,
        case_id AS row_case, identity_id AS row_identity, target AS row_target
    FROM {{.Database}}.evidence
    WHERE kind IN ('exception.opened', 'exception.resolved')
)
GROUP BY exception_id
HAVING countIf(opens) > 0
