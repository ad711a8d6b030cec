//! Values that have broken other programs, and values that come near to making sense.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// What is known of the server, so that requests can come near to making sense.
#[derive(Clone)]
pub(super) struct Known {
    /// A Management token with every scope.
    pub(super) admin_token: String,
    /// An application that must stay as it is, and its secret.
    pub(super) client: (String, String),
    /// Tokens of that application.
    pub(super) tokens: Vec<String>,
    /// Identifiers of APIs, ids, tokens, secrets, scopes.
    pub(super) values: Vec<String>,
    /// The Management API's collections.
    pub(super) collections: [Collection; 3],
}

/// A collection of the Management API.
#[derive(Clone)]
pub(super) struct Collection {
    pub(super) name: &'static str,
    /// Ids by which something is only read.
    pub(super) read_only: Vec<String>,
    /// The id of what may be changed.
    pub(super) victim: String,
    /// Bodies that create or change one: names and JSON.
    pub(super) valid: Vec<Vec<(&'static str, String)>>,
}

#[rustfmt::skip]
const NOTORIOUS: &[&str] = &[
    "", " ", "\0", "a\0b", "\u{7f}", "\u{85}", "\r\n", "\r\nx-injected: 1", "\t", "\u{feff}", "\u{202e}",
    "\u{ffff}", "\u{10ffff}", "e\u{301}", "ﷺ", "🏴‍☠️", "\"", "\\", "'", "`", "%", "%00", "%ff", "%zz", "%25",
    "+", "&", "=", ";", "#", "?", "/", "..", "../..", "<script>", "' or 1=1 --", "$1", "{}", "[]", "null",
    "true", "undefined", "0", "-0", "-1", "+1", "1.5", "1e3", "1e400", "0x10", "٣", "NaN", "Infinity",
    "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809",
    "99999999999999999999999999", "2592000", "2147483648", "9999-12-31T23:59:59.999Z",
    "-009999-01-01T00:00:00Z", "2030-01-01T00:00:00+25:00", "9999-12-31T23:59:59-23:59",
    "2030-02-30T00:00:00Z", "client_credentials", "authorization_code", "read:orders", "openid", "Bearer",
    "a.b.c", "eyJhbGciOiJub25lIn0..", "require_client_grant", "opaque", "RS256", "never",
    "9223372036854775807.x", "0.cgr_", "-1.", "-9223372036854775808.x",
];

/// Repeated up to 64 KiB.
const LONG: &[&str] = &[
    "a", "é", "😀", "\0", " ", "%", "[", "9", ",", "\\", "a ", ".",
];
const LENGTH: usize = 64 * 1024;

pub(super) fn notorious() -> impl Strategy<Value = Vec<u8>> {
    let long = select(LONG).prop_map(|text| text.repeat(LENGTH / text.len()).into_bytes());
    prop_oneof![
        12 => select(NOTORIOUS).prop_map(|text| text.as_bytes().to_vec()),
        1 => long,
    ]
}

/// Any value: known ones, almost known ones, notorious ones, any text, any bytes.
pub(super) fn value(known: &Known) -> BoxedStrategy<Vec<u8>> {
    let values = known.values.clone();
    let almost = (select(values.clone()), any::<Index>(), any::<u8>());
    let almost = almost.prop_map(|(text, at, byte)| {
        let mut bytes = text.into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        bytes
    });
    prop_oneof![
        4 => select(values).prop_map(String::into_bytes),
        1 => almost,
        4 => notorious(),
        1 => any::<i64>().prop_map(|number| number.to_string().into_bytes()),
        2 => "\\PC{0,20}".prop_map(String::into_bytes),
        2 => any::<String>().prop_map(String::into_bytes),
        2 => vec(any::<u8>(), 0..20),
    ]
    .boxed()
}

/// The same, so short that a target can hold several: one of 64 KiB never reaches the server.
pub(super) fn short_value(known: &Known) -> impl Strategy<Value = Vec<u8>> + use<> {
    value(known).prop_map(|mut bytes| {
        bytes.truncate(8000);
        bytes
    })
}

/// Percent-encodes everything that could have a meaning.
pub(super) fn escaped(bytes: &[u8]) -> Vec<u8> {
    let escape = |byte: &u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => vec![*byte],
        _ => format!("%{byte:02X}").into_bytes(),
    };
    bytes.iter().flat_map(escape).collect()
}

/// A JSON string of any bytes; those that are not UTF-8 stay as they are.
pub(super) fn json_string(bytes: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(bytes) {
        Ok(text) => serde_json::to_vec(text).unwrap(),
        Err(_) => [b"\"", bytes, b"\""].concat(),
    }
}

/// A JSON object of names and JSON texts.
pub(super) fn json_object(members: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let members: Vec<_> = members
        .iter()
        .map(|(name, json)| [json_string(name), json.clone()].join(&b':'))
        .collect();
    [b"{".to_vec(), members.join(&b','), b"}".to_vec()].concat()
}

#[rustfmt::skip]
const JSON: &[&str] = &[
    "null", "true", "false", "0", "-0", "-1", "1", "600", "1.5", "1e3", "1e308", "1e400", "-1e-400",
    "9223372036854775807", "9223372036854775808", "-9223372036854775808", "18446744073709551616", "00", "+1",
    "NaN", "{}", "[]", "\"\\u0000\"", "\"\\ud800\"", "\"\\udc00\\ud800\"", "\"\\x\"",
    "[{\"value\":\"read:orders\"}]", "[{\"value\":\"a\"},{\"value\":\"a\"}]",
    "{\"application\":600,\"user\":-1}", "{\"client\":{\"policy\":\"deny_all\"}}",
    "{\"application\":9223372036854775807}", "{\"user\":-9223372036854775808}",
    "[\"read:orders\",\"read:orders\"]", "[\"client_credentials\"]", "{\"required\":true}",
    "{\"required\":{}}", "\"resource_server\"", "\"none\"", "[null]", "[[]]", "[{}]", "{\"\":null}",
    "{\"a\":1,\"a\":1}", "'a'", "/**/1", "\u{feff}1",
];

/// Depths around the parser's own limit, and far beyond it.
const DEPTHS: &[usize] = &[100, 126, 127, 128, 129, 1000, 30_000];

/// JSON text of any kind, some of it no JSON at all.
pub(super) fn json(known: &Known, names: &'static str) -> BoxedStrategy<Vec<u8>> {
    let deep = (select(DEPTHS), any::<bool>()).prop_map(|(depth, is_array)| {
        let (open, close) = if is_array {
            ("[", "]")
        } else {
            ("{\"a\":", "}")
        };
        format!("{}1{}", open.repeat(depth), close.repeat(depth)).into_bytes()
    });
    let many = |items| format!("[{}]", vec!["{\"value\":\"a\"}"; items].join(",")).into_bytes();
    let digits: &[&str] = &["9", "-9", "0."];
    let leaf = prop_oneof![
        6 => select(JSON).prop_map(|text| text.as_bytes().to_vec()),
        6 => value(known).prop_map(|bytes| json_string(&bytes)),
        1 => deep,
        1 => select(digits).prop_map(|text| text.repeat(400).into_bytes()),
        1 => any::<f64>().prop_map(|number| number.to_string().into_bytes()),
        1 => (1..2000_usize).prop_map(many),
    ];
    let name = one_of(names);
    leaf.prop_recursive(3, 12, 4, move |inner| {
        let list = |items: Vec<Vec<u8>>| [b"[", &items.join(&b',')[..], b"]"].concat();
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(list),
            vec((name.clone(), inner), 0..4).prop_map(|members| json_object(&members)),
        ]
    })
    .boxed()
}

/// One of the words.
pub(super) fn one_of(words: &'static str) -> BoxedStrategy<Vec<u8>> {
    let words: Vec<&str> = words.split_whitespace().collect();
    select(words)
        .prop_map(|word| word.as_bytes().to_vec())
        .boxed()
}
