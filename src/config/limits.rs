//! `[limits]`: how often something may be attempted.

use super::reader::Reader;

/// So many attempts at once; afterwards as many, evenly spread, in each window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Attempts.
    pub attempts_max: i64,
    /// The window.
    pub window_seconds: i64,
}

/// `[limits]`
#[derive(Clone, Debug)]
pub struct Limits {
    /// Failed sign-ins by a name, and to an account from all addresses that it is not known by.
    pub sign_ins_per_account: Rate,
    /// Failed sign-ins to an account from an address that it is known by, and as many that succeed.
    pub sign_ins_per_known_address: Rate,
    /// Sign-ins from an address.
    pub sign_ins_per_address: Rate,
    /// Mails to an account that its owner asked for.
    pub mails_per_account: Rate,
    /// Such mails that an address asked for.
    pub mails_per_address: Rate,
    /// Accounts that an address made.
    pub sign_ups_per_address: Rate,
    /// Passwords that were tried with one link.
    pub new_passwords_per_link: Rate,
    /// Passwords that an address tried with links.
    pub new_passwords_per_address: Rate,
}

impl Limits {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let mut attempts = |key| reader.integer(key, 1..=100_000);
        let [account, known, address] = [
            attempts("limits.sign_ins_per_account_max"),
            attempts("limits.sign_ins_per_known_address_max"),
            attempts("limits.sign_ins_per_address_max"),
        ];
        let window_seconds = reader.integer("limits.sign_in_window_seconds", 60..=86_400);
        let sign_ins = |attempts_max| Rate {
            attempts_max,
            window_seconds,
        };
        let mut attempts = |key| reader.integer(key, 1..=100_000);
        let [mails, mails_of_address, sign_ups, per_link, with_links] = [
            attempts("limits.mails_per_account_max"),
            attempts("limits.mails_per_address_max"),
            attempts("limits.sign_ups_per_address_max"),
            attempts("limits.new_passwords_per_link_max"),
            attempts("limits.new_passwords_per_address_max"),
        ];
        let window_seconds = reader.integer("limits.request_window_seconds", 60..=86_400);
        let requests = |attempts_max| Rate {
            attempts_max,
            window_seconds,
        };
        Self {
            sign_ins_per_account: sign_ins(account),
            sign_ins_per_known_address: sign_ins(known),
            sign_ins_per_address: sign_ins(address),
            mails_per_account: requests(mails),
            mails_per_address: requests(mails_of_address),
            sign_ups_per_address: requests(sign_ups),
            new_passwords_per_link: requests(per_link),
            new_passwords_per_address: requests(with_links),
        }
    }
}
