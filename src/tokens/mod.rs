//! Access tokens: signing or storing them, and recognising them again.

pub mod assertion;
pub mod issue;
pub mod jti;
pub mod jwt;
pub mod opaque;
pub mod recognise;
