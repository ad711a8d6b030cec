//! Text from outside is checked once, here: bounded, and without control characters
//! (U+0000 is an error in Postgres and not in SQLite).

/// Longest `user_id` that is asked about, in characters (compatibility.md §1.5).
pub const USER_ID_CHARS_MAX: usize = 300;
/// Longest `client_id` that is looked up, in bytes.
pub const CLIENT_ID_BYTES_MAX: usize = 255;
/// Longest identifier of an API, in characters (Auth0's limit).
pub const IDENTIFIER_CHARS_MAX: usize = 600;
/// Longest scope value, in characters (Auth0's limit).
pub const SCOPE_CHARS_MAX: usize = 280;

/// True where the text holds a control character.
#[must_use]
pub fn has_control(text: &str) -> bool {
    text.chars().any(char::is_control)
}

/// True for the shape of ids that Grantor makes up itself, which no identifier may take:
/// 24 hexadecimal or 32 alphanumeric characters.
#[must_use]
pub fn looks_like_an_id(text: &str) -> bool {
    let hex = text.len() == 24 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let alphanumeric = text.len() == 32 && text.bytes().all(|b| b.is_ascii_alphanumeric());
    hex || alphanumeric
}
