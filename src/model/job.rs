//! A job of the Management API: an import of users, or a mail to one.

use serde_json::Value;

/// A job that was not heard of for so long has ended with its node.
pub const SILENT_SECONDS_MAX: i64 = 600;

/// How long a job can be read after its creation.
pub const KEPT_SECONDS: i64 = 86_400;

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobKind {
    /// Takes the users of a file.
    UsersImport,
    /// Sends a mail to prove an address; it has no counts.
    VerificationEmail,
}

impl JobKind {
    /// Auth0's name, as it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UsersImport => "users_import",
            Self::VerificationEmail => "verification_email",
        }
    }
}

/// A job as stored. What an import has done so far was committed together with these counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// `job_` and 16 characters.
    pub id: String,
    /// What it does.
    pub kind: JobKind,
    /// The caller's own name of it.
    pub external_id: Option<String>,
    /// Users who are there already are changed.
    pub upsert: bool,
    /// Users in the file.
    pub total: i64,
    /// Users who are new.
    pub inserted: i64,
    /// Users who were there.
    pub updated: i64,
    /// Users who could not be taken.
    pub failed: i64,
    /// Why, for each of them and for those whose password stayed, in Auth0's shape and without hashes.
    pub errors: Vec<Value>,
    /// True once every user of the file is counted.
    pub is_complete: bool,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub updated_at: i64,
}

impl Job {
    /// A job that has done nothing yet.
    #[must_use]
    pub fn new(id: String, kind: JobKind, now: i64) -> Self {
        Self {
            id,
            kind,
            external_id: None,
            upsert: false,
            total: 0,
            inserted: 0,
            updated: 0,
            failed: 0,
            errors: Vec::new(),
            is_complete: false,
            created_at: now,
            updated_at: now,
        }
    }

    /// Auth0's word for how far it is. One that stopped between two batches has failed: what its
    /// counts say was done, and the rest was not.
    #[must_use]
    pub fn status(&self, now: i64) -> &'static str {
        if self.is_complete {
            "completed"
        } else if now - self.updated_at > SILENT_SECONDS_MAX {
            "failed"
        } else {
            "processing"
        }
    }
}
