//! Writes the log to standard error from a thread of its own, so that no request waits for whoever reads it.
//!
//! The queue is bounded (`log.queue_lines_max`). When it is full, because the reader stands still, further
//! lines are dropped and counted. A line that cannot be written, because the disk is full or the reader has
//! gone, is counted as well. Neither is ever an error of the code that logs.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::fmt::MakeWriter;

/// How long the end of the process waits for lines that are still queued.
const FLUSH_MAX: Duration = Duration::from_secs(1);
/// Between two looks at the queue while the end waits.
const FLUSH_LOOK: Duration = Duration::from_millis(2);
/// Between two looks whether lines were lost.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// The queue of lines, and how many were lost.
#[derive(Clone)]
pub(super) struct LogQueue {
    writer: NonBlocking,
    dropped: ErrorCounter,
    counts: Arc<Counts>,
    lines_max: u64,
}

/// What became of the lines that were queued.
#[derive(Default)]
struct Counts {
    /// Lines handed to the queue, dropped ones included.
    handed_over: AtomicU64,
    /// Lines that left the queue, written or not.
    taken: AtomicU64,
    /// Of these, lines that standard error refused.
    refused: AtomicU64,
}

impl LogQueue {
    /// Starts the thread that writes to standard error.
    pub(super) fn start(lines_max: usize) -> (Self, WorkerGuard) {
        let counts = Arc::new(Counts::default());
        let target = StandardError {
            counts: Arc::clone(&counts),
            is_broken: false,
        };
        let (writer, guard) = NonBlockingBuilder::default()
            .buffered_lines_limit(lines_max)
            .lossy(true)
            .thread_name("log")
            .finish(target);
        let queue = Self {
            dropped: writer.error_counter(),
            writer,
            counts,
            lines_max: u64::try_from(lines_max).unwrap_or(u64::MAX),
        };
        (queue, guard)
    }

    /// Lines that were dropped because the queue was full.
    fn dropped(&self) -> u64 {
        u64::try_from(self.dropped.dropped_lines()).unwrap_or(u64::MAX)
    }

    /// Lines that wait for the thread.
    fn waiting(&self) -> u64 {
        let taken = self.counts.taken.load(Ordering::Acquire);
        let gone = taken.saturating_add(self.dropped());
        let handed_over = self.counts.handed_over.load(Ordering::Acquire);
        handed_over.saturating_sub(gone)
    }

    /// Waits a bounded time until all queued lines are written. Returns false where some still wait.
    pub(super) fn flush(&self) -> bool {
        let began = Instant::now();
        while self.waiting() > 0 {
            if began.elapsed() > FLUSH_MAX {
                return false;
            }
            std::thread::sleep(FLUSH_LOOK);
        }
        true
    }

    /// Says in the log how many lines were lost, once there is room for it again.
    pub(super) async fn report_lost_lines(self) {
        let (mut dropped_before, mut refused_before) = (0, 0);
        loop {
            tokio::time::sleep(REPORT_EVERY).await;
            if self.waiting() > self.lines_max / 2 {
                continue;
            }
            let refused = self.counts.refused.load(Ordering::Acquire);
            let dropped = self.dropped();
            let (lines, unwritable) = (dropped - dropped_before, refused - refused_before);
            if lines > 0 {
                tracing::warn!(
                    lines,
                    "lines of the log were dropped: standard error was not read fast enough (log.queue_lines_max)"
                );
            }
            if unwritable > 0 {
                tracing::warn!(
                    lines = unwritable,
                    "lines of the log were lost: standard error could not be written"
                );
                // This line may be lost as well, and is then counted the next time.
            }
            (dropped_before, refused_before) = (dropped, refused);
        }
    }
}

impl<'a> MakeWriter<'a> for LogQueue {
    type Writer = NonBlocking;

    fn make_writer(&'a self) -> Self::Writer {
        self.counts.handed_over.fetch_add(1, Ordering::AcqRel);
        self.writer.clone()
    }
}

/// Standard error, whose failures are counted and go no further.
struct StandardError {
    counts: Arc<Counts>,
    /// A part of the last line may have been written.
    is_broken: bool,
}

impl Write for StandardError {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut target = io::stderr();
        let begun = if self.is_broken {
            target.write_all(b"\n")
        } else {
            Ok(())
        };
        self.is_broken = begun.and_then(|()| target.write_all(line)).is_err();
        if self.is_broken {
            self.counts.refused.fetch_add(1, Ordering::AcqRel);
        }
        self.counts.taken.fetch_add(1, Ordering::AcqRel);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
