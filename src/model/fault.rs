//! What goes wrong on our side, kept apart from what a client did wrong ([`super::refusal`]).

use std::fmt;
use std::time::Duration;

/// A fault of ours: never the client's doing, never explained to the client, logged once at the edge.
#[derive(Clone, Debug)]
pub enum Fault {
    /// A dependency does not answer or a bound is reached; trying again later may help. 503.
    Unavailable {
        /// What the operator needs to know.
        context: String,
        /// What `Retry-After` says.
        retry_after: Duration,
    },
    /// A defect, or a store whose content contradicts itself. 500.
    Internal {
        /// What the operator needs to know.
        context: String,
    },
}

impl Fault {
    /// Something that must not happen did.
    pub fn internal(context: impl fmt::Display) -> Self {
        Self::Internal {
            context: context.to_string(),
        }
    }

    /// Not now; in about a second perhaps.
    pub fn unavailable(context: impl fmt::Display) -> Self {
        Self::Unavailable {
            context: context.to_string(),
            retry_after: Duration::from_secs(1),
        }
    }

    /// True where trying again later may help.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable { context, .. } => write!(f, "unavailable: {context}"),
            Self::Internal { context } => f.write_str(context),
        }
    }
}

impl std::error::Error for Fault {}
