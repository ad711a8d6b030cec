//! `[log]`: what is logged, and how a line looks.

use super::reader::Reader;
use super::rules;

/// `[log]`
#[derive(Clone, Debug)]
pub struct Log {
    /// A filter as `tracing_subscriber::EnvFilter` reads it.
    pub level: String,
    /// How a line looks.
    pub format: LogFormat,
    /// Lines that wait to be written, at most.
    pub queue_lines_max: usize,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// For people.
    Text,
    /// For machines.
    Json,
}

impl Log {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self {
            level: reader
                .text("log.level", rules::log_level)
                .unwrap_or_default(),
            format: reader
                .text("log.format", rules::log_format)
                .unwrap_or_default(),
            queue_lines_max: reader.integer("log.queue_lines_max", 100..=1_000_000),
        }
    }
}
