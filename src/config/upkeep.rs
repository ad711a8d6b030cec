//! `[sweep]` and `[audit]`: what is kept, and what is removed.

use std::time::Duration;

use super::reader::Reader;
use super::rules;

/// `[sweep]`
#[derive(Clone, Debug)]
pub struct Sweep {
    /// Pause between two rounds.
    pub interval: Duration,
    /// Rows that one statement removes.
    pub batch_rows_max: i64,
}

impl Sweep {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self {
            interval: reader.seconds("sweep.interval_seconds", 1..=86_400),
            batch_rows_max: reader.integer("sweep.batch_rows_max", 1..=100_000),
        }
    }
}

/// `[audit]`
#[derive(Clone, Debug)]
pub struct AuditConfig {
    /// Whether issuances are recorded; they are counted in either case.
    pub keeps_issuances: bool,
    /// Records of issuances that wait to be written.
    pub queue_max: usize,
    /// How long records are kept.
    pub retention_days: i64,
    /// How long counts of tokens are kept.
    pub stats_retention_days: i64,
}

impl AuditConfig {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self {
            keeps_issuances: reader
                .text("audit.issuances", rules::every_or_off)
                .unwrap_or_default(),
            queue_max: reader.integer("audit.queue_max", 100..=1_000_000),
            retention_days: reader.integer("audit.retention_days", 1..=3650),
            stats_retention_days: reader.integer("audit.stats_retention_days", 1..=3650),
        }
    }
}
