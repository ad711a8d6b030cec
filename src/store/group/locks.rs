//! What the operations of the group-commit door lock. In a batch each one changes a single row that others
//! may want as well, and batches sort by it. What needs more rows of a user runs alone, with the user locked.

use super::Operation;
use crate::model::authorization::Authorization;
use crate::store::{Locks, Scope};

/// Which rows an operation may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Reach {
    /// The one row of its key, and new rows.
    Row,
    /// Any row below its user.
    User,
}

/// Whose rows an operation changes.
#[derive(Clone, Debug)]
pub struct Parties {
    /// The user.
    pub user_id: String,
    /// The application.
    pub client_id: String,
}

impl Parties {
    /// Those of an authorization.
    #[must_use]
    pub fn of(authorization: &Authorization) -> Self {
        Self {
            user_id: authorization.user_id.clone(),
            client_id: authorization.client_id.clone(),
        }
    }
}

impl Operation {
    /// What a transaction locks that runs the operation.
    pub(super) fn locks(&self, reach: Reach) -> Locks {
        let of_parties = |user_id: &str, client_id: &str| match reach {
            Reach::Row => Locks::below(user_id, client_id),
            Reach::User => Locks::of_user(user_id),
        };
        match self {
            // New rows, or rows that the sweep leaves alone for as long as anybody asks for them.
            Self::StoreToken { .. }
            | Self::RevokeSigned { .. }
            | Self::RedeemAssertion(_)
            | Self::StorePushed(_) => Locks::new(),
            Self::RevokeStored { .. } | Self::RecordUse { .. } | Self::RedeemPushed { .. } => {
                Locks::new().shared(Scope::Expiring)
            }
            Self::StoreCode(code) => {
                let authorization = &code.1.authorization;
                of_parties(&authorization.user_id, &authorization.client_id)
            }
            Self::StoreFamily(new) => {
                let authorization = &new.family.authorization;
                of_parties(&authorization.user_id, &authorization.client_id)
            }
            Self::RedeemCode(redemption) => {
                let Parties { user_id, client_id } = &redemption.parties;
                of_parties(user_id, client_id)
            }
            Self::ExchangeRefresh(exchange) => {
                let Parties { user_id, client_id } = &exchange.parties;
                of_parties(user_id, client_id)
            }
            Self::GiveBackFamily { parties, .. } => {
                of_parties(&parties.user_id, &parties.client_id)
            }
            Self::TouchSession {
                user_id, client_id, ..
            } => {
                let locks = Locks::new()
                    .shared(Scope::User(user_id))
                    .shared(Scope::Expiring);
                match client_id {
                    Some(client_id) => locks.shared(Scope::Application(client_id)),
                    None => locks,
                }
            }
            Self::Recorded(operation, _) => operation.locks(reach),
        }
    }
}
