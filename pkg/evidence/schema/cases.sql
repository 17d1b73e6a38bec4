-- One row per case, folded from its case.* rows in the order they were decided: occurred_at never goes back for one
-- person, and all rows of a case lie in one partition.
CREATE OR REPLACE VIEW {{.Database}}.cases AS
SELECT
    case_id,
    argMinIf(row_identity, decided, kind = 'case.opened') AS identity_id,
    argMinIf(JSONExtractString(payload, 'trigger'), decided, kind = 'case.opened') AS trigger,
    argMinIf(row_source, decided, kind = 'case.opened') AS source,
    argMinIf(row_effective_at, decided, kind = 'case.opened') AS effective_at,
    argMinIf(row_known_at, decided, kind = 'case.opened') AS known_at,
    argMinIf(occurred_at, decided, kind = 'case.opened') AS opened_at,
    if(argMaxIf(kind, decided, state != '') IN ('case.completed', 'case.failed'),
       toNullable(argMaxIf(occurred_at, decided, state != '')), NULL) AS closed_at,
    argMaxIf(state, decided, state != '') AS outcome,
    argMaxIf(tuple(JSONExtract(payload, 'event_to_access_ms', 'Nullable(Int64)')), decided, kind = 'case.completed').1 AS event_to_access_ms,
    argMaxIf(JSONExtractUInt(payload, 'changes'), decided, kind IN ('case.completed', 'case.failed')) AS changes,
    uniqExactIf(JSONExtractString(payload, 'exception_id'), kind = 'exception.opened') AS exceptions,
    maxOrNullIf(occurred_at, kind = 'case.remediated') AS remediated_at
FROM
(
    SELECT
        case_id, kind, payload, occurred_at,
        identity_id AS row_identity, source AS row_source, effective_at AS row_effective_at, known_at AS row_known_at,
        (occurred_at, src_offset) AS decided,
        multiIf(kind = 'case.opened', 'open',
                kind = 'case.failed', 'failed',
                kind = 'case.waiting', if(outcome = '', 'open', outcome),
                kind = 'case.completed', if(outcome = '', 'succeeded', outcome),
                '') AS state
    FROM {{.Database}}.evidence
    WHERE case_id != '' AND kind IN ('case.opened', 'case.waiting', 'case.completed', 'case.failed', 'case.remediated', 'exception.opened')
)
GROUP BY case_id
HAVING countIf(kind = 'case.opened') > 0
