//! Tokens: signing or storing them, and recognising them again.

pub mod assertion;
mod client_jwt;
pub mod code;
pub mod id_token;
pub mod issue;
pub mod jti;
pub mod jwt;
pub mod logout_token;
pub mod opaque;
pub mod pushed;
pub mod recognise;
pub mod refresh;
pub mod request_object;
pub mod ticket;
