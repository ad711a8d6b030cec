//! Requests as nobody should send them: valid ones with something wrong, and wrong ones with
//! something valid.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::signer::JWT_BEARER;

use super::values::{
    Collection, Known, escaped, json, json_object, json_string, notorious, one_of, short_value,
    value,
};

const PARAMS: &str = "grant_type client_id client_secret audience resource scope validity_period \
    token token_type_hint client_assertion client_assertion_type assertion code refresh_token";

const PROPERTIES: &str = "name identifier scopes signing_alg signing_secret token_dialect \
    allow_offline_access skip_consent_for_verifiable_first_party_clients token_lifetime \
    token_lifetime_for_web max_token_lifetime subject_type_authorization enforce_policies \
    proof_of_possession token_encryption client_id audience scope allow_all_scopes subject_type \
    expires_at allow_any_organization organization_usage app_type grant_types \
    token_endpoint_auth_method resource_server_identifier access_token_lifetimes client_secret \
    client_authentication_methods credential_type pem alg kid parse_expiry_from_cert \
    grace_seconds revoke_tokens value description policy application user";

const QUERY_NAMES: &str = "page per_page include_totals include_fields fields from take \
    identifiers identifiers[] app_type is_global is_first_party audience client_id subject_type \
    allow_any_organization default_for revoke_tokens flow validity_period secret_id pushed \
    client_secret token";

/// Headers that some framework might look at.
const HEADERS: &[&str] = &[
    "x-request-id",
    "x-forwarded-for",
    "x-http-method-override",
    "cookie",
    "accept",
    "accept-encoding",
    "origin",
    "expect",
    "content-encoding",
    "traceparent",
    "if-none-match",
    "range",
    "x-correlation-id",
];

/// One request, as bytes.
#[derive(Clone)]
pub(super) struct Request {
    pub(super) method: &'static str,
    /// Path and query as they are sent.
    pub(super) target: Vec<u8>,
    headers: Headers,
    body: Vec<u8>,
}

type Headers = Vec<(&'static str, Vec<u8>)>;

impl Request {
    /// All of it as it goes over the wire.
    pub(super) fn bytes(&self) -> Vec<u8> {
        [self.head(), self.body.clone()].concat()
    }

    fn head(&self) -> Vec<u8> {
        let line = [self.method.as_bytes(), b" ", &self.target, b" HTTP/1.1\r\n"];
        let mut head = line.concat();
        head.extend_from_slice(b"host: x\r\nconnection: close\r\n");
        for (name, value) in &self.headers {
            head.extend_from_slice(&[name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        let length = format!("content-length: {}\r\n\r\n", self.body.len());
        head.extend_from_slice(length.as_bytes());
        head
    }

    /// True where HTTP itself allows the head; otherwise the connection's own answer (400, 414,
    /// 431) is as good as ours.
    pub(super) fn is_http(&self) -> bool {
        let is_target = |byte: &u8| byte.is_ascii_graphic() && !br##""#<>\^`{|}"##.contains(byte);
        let is_value = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f);
        let mut values = self.headers.iter().flat_map(|(_, value)| value);
        self.head().len() < 60_000
            && self.target.first().is_some_and(|byte| *byte == b'/')
            && self.target.iter().all(is_target)
            && values.all(is_value)
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.bytes();
        write!(f, "{}", bytes[..bytes.len().min(3000)].escape_ascii())
    }
}

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// What can happen to the members of a request.
#[derive(Clone, Debug)]
enum Mutation {
    Replace(Index, Vec<u8>),
    Rename(Index, Vec<u8>),
    Repeat(Index),
    Remove(Index),
    Add(Vec<u8>, Vec<u8>),
}

impl Mutation {
    fn apply(self, pairs: &mut Pairs) {
        let count = pairs.len();
        match self {
            Self::Add(name, value) => pairs.push((name, value)),
            _ if count == 0 => {}
            Self::Replace(index, value) => pairs[index.index(count)].1 = value,
            Self::Rename(index, name) => pairs[index.index(count)].0 = name,
            Self::Repeat(index) => pairs.push(pairs[index.index(count)].clone()),
            Self::Remove(index) => drop(pairs.remove(index.index(count))),
        }
    }
}

/// Up to three mutations of valid members; `names` are those that mean something here.
fn mutated(
    valid: Vec<Pairs>,
    names: &'static str,
    value: &BoxedStrategy<Vec<u8>>,
) -> impl Strategy<Value = Pairs> + use<> {
    let name = prop_oneof![6 => one_of(names), 1 => notorious(), 1 => vec(any::<u8>(), 0..8)];
    let mutation = prop_oneof![
        4 => (any::<Index>(), value.clone()).prop_map(|(at, value)| Mutation::Replace(at, value)),
        1 => (any::<Index>(), name.clone()).prop_map(|(at, name)| Mutation::Rename(at, name)),
        1 => any::<Index>().prop_map(Mutation::Repeat),
        1 => any::<Index>().prop_map(Mutation::Remove),
        4 => (name, value.clone()).prop_map(|(name, value)| Mutation::Add(name, value)),
    ];
    let mutations = prop_oneof![1 => Just(0), 3 => Just(1), 2 => 2..4_usize];
    let mutations = mutations.prop_flat_map(move |count| vec(mutation.clone(), count));
    (select(valid), mutations).prop_map(|(mut pairs, mutations)| {
        let apply = |mutation: Mutation| mutation.apply(&mut pairs);
        mutations.into_iter().for_each(apply);
        pairs
    })
}

/// Finished bytes, now and then with a byte too many, too few or changed.
fn damaged(bytes: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let damage = prop_oneof![
        8 => Just(None),
        1 => (any::<Index>(), any::<u8>(), 0..4_u8).prop_map(Some),
    ];
    (bytes, damage).prop_map(|(mut bytes, damage)| {
        if let Some((at, byte, kind)) = damage {
            let at = at.index(bytes.len() + 1);
            match kind {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, byte),
                2 if at < bytes.len() => bytes[at] = byte,
                _ => bytes.extend_from_slice(&[byte; 3]),
            }
        }
        bytes
    })
}

fn form(pairs: &Pairs, is_escaped: bool) -> Vec<u8> {
    let part = |bytes: &[u8]| {
        if is_escaped {
            escaped(bytes)
        } else {
            bytes.to_vec()
        }
    };
    let pairs = pairs
        .iter()
        .map(|(name, value)| [part(name), part(value)].join(&b'='));
    pairs.collect::<Vec<_>>().join(&b'&')
}

fn content_type(right: &'static str) -> impl Strategy<Value = Headers> {
    let odd: &[&[u8]] = &[
        b"",
        b"application/json",
        b"application/x-www-form-urlencoded",
        b"text/plain",
        b"APPLICATION/JSON ; charset=utf-16",
        b"application/x-www-form-urlencoded;charset=\xff",
        b"multipart/form-data; boundary=x",
        b"application/json,text/plain",
        b"*/*",
        b";",
    ];
    prop_oneof![
        20 => Just(vec![("content-type", right.as_bytes().to_vec())]),
        1 => select(odd).prop_map(|odd| vec![("content-type", odd.to_vec())]),
        1 => Just(vec![]),
    ]
}

/// The right credentials, odd ones, two of them, and none.
fn authorization(known: &Known, right: Vec<Vec<u8>>) -> impl Strategy<Value = Headers> + use<> {
    let text = value(known);
    let basic = |text: Vec<u8>| [b"Basic ", STANDARD.encode(text).as_bytes()].concat();
    let odd = prop_oneof![
        2 => text.clone().prop_map(basic),
        2 => (text.clone(), text.clone())
            .prop_map(move |(id, secret)| basic([escaped(&id), escaped(&secret)].join(&b':'))),
        1 => text.clone().prop_map(|text| [b"Basic ", &text[..]].concat()),
        2 => text.clone().prop_map(|text| [b"bearer ", &text[..]].concat()),
        1 => text,
    ];
    let header = |value| ("authorization", value);
    prop_oneof![
        16 => select(right.clone()).prop_map(move |right| vec![header(right)]),
        2 => odd.clone().prop_map(move |odd| vec![header(odd)]),
        1 => (select(right), odd).prop_map(move |(right, odd)| vec![header(right), header(odd)]),
        1 => Just(vec![]),
    ]
}

fn further_header(known: &Known) -> impl Strategy<Value = Headers> + use<> {
    let one = (select(HEADERS), value(known)).prop_map(|header| vec![header]);
    prop_oneof![9 => Just(vec![]), 1 => one]
}

fn query(known: &Known) -> impl Strategy<Value = Vec<u8>> + use<> {
    let name = prop_oneof![9 => one_of(QUERY_NAMES), 1 => vec(any::<u8>(), 0..8)];
    let value = prop_oneof![
        short_value(known),
        one_of("0 1 50 true false client name mfa")
    ];
    let pairs = (vec((name, value), 0..4), prop::bool::weighted(0.9));
    let query =
        pairs.prop_map(|(pairs, is_escaped)| [b"?", &form(&pairs, is_escaped)[..]].concat());
    prop_oneof![2 => Just(Vec::new()), 1 => query]
}

/// Requests to the protocol endpoints.
pub(super) fn oauth(known: &Known) -> impl Strategy<Value = Request> + use<> {
    let (id, secret) = (known.client.0.as_str(), known.client.1.as_str());
    let client = [("client_id", id), ("client_secret", secret)];
    let grant = ("grant_type", "client_credentials");
    let audience = ("audience", known.values[0].as_str());
    let resource = ("resource", known.values[0].as_str());
    let scope = ("scope", "read:orders");
    let part = |json: String| URL_SAFE_NO_PAD.encode(json);
    let claims = part(format!(r#"{{"iss":"{id}","sub":"{id}","jti":"x"}}"#));
    let assertion = format!("{}.{claims}.AAAA", part(r#"{"alg":"ES256"}"#.to_owned()));
    let assertion = ("client_assertion", assertion.as_str());
    let of_jwt = ("client_assertion_type", JWT_BEARER);
    let for_tokens: [&[(&str, &str)]; 6] = [
        &[grant, audience, assertion, of_jwt],
        &[grant, audience],
        &[grant, resource, scope, ("validity_period", "600")],
        &[grant, audience, ("validity_period", "-1")],
        &[grant, audience, client[0], client[1]],
        &[grant],
    ];
    let mut of_tokens: Vec<[(&str, &str); 1]> = vec![[("token", "a token")]];
    of_tokens.extend(known.tokens.iter().map(|token| [("token", token.as_str())]));
    let of_tokens: Vec<&[(&str, &str)]> = of_tokens.iter().map(|pairs| &pairs[..]).collect();
    prop_oneof![
        3 => endpoint(known, "/oauth/token /token", &for_tokens),
        1 => endpoint(known, "/oauth/introspect /introspect", &of_tokens),
        1 => endpoint(known, "/oauth/revoke /revoke", &of_tokens),
    ]
}

fn endpoint(
    known: &Known,
    paths: &'static str,
    valid: &[&[(&str, &str)]],
) -> impl Strategy<Value = Request> + use<> {
    let bytes =
        |(name, value): &(&str, &str)| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    let valid: Vec<Pairs> = valid
        .iter()
        .map(|pairs| pairs.iter().map(bytes).collect())
        .collect();
    let members = mutated(valid.clone(), PARAMS, &value(known));
    let as_form = (members, prop::bool::weighted(0.8));
    let as_form = damaged(as_form.prop_map(|(pairs, is_escaped)| form(&pairs, is_escaped)));
    let quoted = |(name, value): (Vec<u8>, Vec<u8>)| (name, json_string(&value));
    let valid = valid
        .into_iter()
        .map(|pairs| pairs.into_iter().map(quoted).collect());
    let members = mutated(valid.collect(), PARAMS, &json(known, PARAMS));
    let as_json = damaged(members.prop_map(|members| json_object(&members)));
    let body = prop_oneof![
        3 => (as_form, content_type("application/x-www-form-urlencoded")),
        2 => (as_json, content_type("application/json")),
    ];
    let (id, secret) = &known.client;
    let pair = [id.as_bytes(), b":", &escaped(secret.as_bytes())].concat();
    let basic = format!("Basic {}", STANDARD.encode(pair)).into_bytes();
    let bearer = format!("Bearer {}", known.admin_token).into_bytes();
    let right = vec![basic.clone(), basic.clone(), basic, bearer];
    let query = prop_oneof![9 => Just(Vec::new()), 1 => query(known)];
    let headers = (authorization(known, right), further_header(known));
    let parts = (one_of(paths), query, headers, body);
    parts.prop_map(
        |(path, query, (authorization, further), (body, content_type))| Request {
            method: "POST",
            target: [path, query].concat(),
            headers: [authorization, further, content_type].concat(),
            body,
        },
    )
}

/// Requests to the Management API, most of them with a token that may do everything.
pub(super) fn management(known: &Known) -> impl Strategy<Value = Request> + use<> {
    let [apis, clients, grants] = &known.collections;
    prop_oneof![
        collection(known, apis),
        collection(known, clients),
        collection(known, grants),
    ]
}

fn collection(known: &Known, collection: &Collection) -> impl Strategy<Value = Request> + use<> {
    let bytes =
        |(name, json): &(&str, String)| (name.as_bytes().to_vec(), json.clone().into_bytes());
    let valid = collection.valid.iter();
    let valid = valid
        .map(|members| members.iter().map(bytes).collect())
        .collect();
    let members = mutated(valid, PROPERTIES, &json(known, PROPERTIES));
    let object = damaged(members.prop_map(|members| json_object(&members)));
    let body = prop_oneof![
        9 => object,
        1 => json(known, PROPERTIES),
        1 => Just(Vec::new()),
    ];
    let methods: &[&str] = &["GET", "POST", "POST"];
    let all = [
        collection.read_only.clone(),
        vec![collection.victim.clone()],
    ]
    .concat();
    let known_id = |ids: Vec<String>| select(ids).prop_map(String::into_bytes).boxed();
    let line = prop_oneof![
        4 => select(methods).prop_map(|method| (method, Vec::new())),
        3 => item(&["GET", "GET", "GET", "HEAD"], known_id(all)),
        1 => item(&["GET", "HEAD"], short_value(known).boxed()),
        5 => item(&["PATCH", "PATCH", "PATCH", "POST", "PUT"], known_id(vec![collection.victim.clone()])),
        // Never a known one: it would be gone for all that follow.
        1 => item(&["PATCH", "POST", "DELETE", "DELETE"], unknown_id().boxed()),
    ];
    let right = format!("Bearer {}", known.admin_token).into_bytes();
    let authorization = prop_oneof![
        9 => Just(vec![("authorization", right.clone())]),
        1 => authorization(known, vec![right]),
    ];
    let headers = (
        authorization,
        further_header(known),
        content_type("application/json"),
    );
    let base = format!("/api/v2/{}", collection.name).into_bytes();
    let parts = (line, query(known), headers, body);
    parts.prop_map(
        move |((method, item), query, (authorization, further, content_type), body)| Request {
            method,
            target: [&base[..], &item, &query].concat(),
            headers: [authorization, further, content_type].concat(),
            body: if ["GET", "HEAD"].contains(&method) {
                Vec::new()
            } else {
                body
            },
        },
    )
}

fn unknown_id() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![notorious(), vec(any::<u8>(), 0..40)].prop_map(|mut bytes| {
        bytes.truncate(8000);
        bytes
    })
}

/// A path behind a collection.
fn item(
    methods: &'static [&'static str],
    id: BoxedStrategy<Vec<u8>>,
) -> impl Strategy<Value = (&'static str, Vec<u8>)> {
    let id = (id, 0..10_u8);
    let id = id.prop_map(|(id, kind)| match kind {
        0 => id,
        1 => escaped(&escaped(&id)),
        _ => escaped(&id),
    });
    let behind: &[&str] = &[
        "",
        "",
        "",
        "",
        "/token-lifetime",
        "/rotate-secret",
        "/secrets",
        "/secrets/x",
        "/credentials",
        "/credentials/x",
        "/",
        "/%00",
    ];
    (select(methods), id, select(behind))
        .prop_map(|(method, id, behind)| (method, [b"/", &id[..], behind.as_bytes()].concat()))
}

/// Any method at any path.
pub(super) fn anywhere(known: &Known) -> impl Strategy<Value = Request> + use<> {
    let methods: &[&str] = &[
        "GET", "HEAD", "POST", "PUT", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get",
    ];
    let paths = one_of(
        "/ * /api/v2/unknown /api/v2/clients/ /api/v2/. /healthz /readyz /.well-known/jwks.json /.well-known/oauth-authorization-server \
         /.well-known/openid-configuration /oauth/token /oauth/token/ /oauth/ /oauth/introspect \
         /api/v2 /api/v2/ /api/v2// /api // /./ /../ /oauth/../token /{id} /%2e%2e/ x:1 \
         http://other.example/oauth/token",
    );
    let odd = (short_value(known), any::<bool>()).prop_map(|(bytes, is_escaped)| {
        let path = if is_escaped { escaped(&bytes) } else { bytes };
        [b"/", &path[..]].concat()
    });
    let path = prop_oneof![4 => paths, 1 => odd];
    let body = vec(any::<u8>(), 0..30);
    let parts = (
        select(methods),
        path,
        query(known),
        further_header(known),
        body,
    );
    parts.prop_map(|(method, path, query, headers, body)| Request {
        method,
        target: [path, query].concat(),
        headers,
        body,
    })
}
