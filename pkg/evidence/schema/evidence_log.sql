-- One row per record of an event topic or of the dead letters, keyed by its position in Kafka, so that writing it
-- twice is harmless. Read it through the view evidence.
CREATE TABLE IF NOT EXISTS {{.Database}}.evidence_log
(
    event_id String,
    kind LowCardinality(String),
    service LowCardinality(String),
    identity_id String,
    case_id String,
    causation_id String,
    source LowCardinality(String),
    target LowCardinality(String),
    account String,
    role LowCardinality(String),
    entitlement String,
    actor String,
    outcome LowCardinality(String),
    reason LowCardinality(String),
    message String,
    policy String,
    attempt UInt16,
    effective_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    known_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    occurred_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD),
    stored_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(Delta, ZSTD),
    payload String CODEC(ZSTD),
    seq UInt64 CODEC(Delta, ZSTD),
    prev_hash String,
    hash String,
    src_topic LowCardinality(String),
    src_topic_id UUID,
    src_partition UInt32,
    src_offset UInt64 CODEC(Delta, ZSTD),
    src_key String,
    raw String CODEC(ZSTD)
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(occurred_at)
ORDER BY (src_topic_id, src_partition, src_offset)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
