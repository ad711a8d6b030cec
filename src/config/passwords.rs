//! `[passwords]`: what a user's password must be.

use super::reader::Reader;

/// `[passwords]`
#[derive(Clone, Debug)]
pub struct Passwords {
    /// The least characters.
    pub length_min: usize,
}

impl Passwords {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self {
            length_min: reader.integer("passwords.length_min", 8..=64),
        }
    }
}
