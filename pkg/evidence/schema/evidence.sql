-- The table without repeated positions.
CREATE OR REPLACE VIEW {{.Database}}.evidence AS
SELECT * FROM {{.Database}}.evidence_log FINAL
