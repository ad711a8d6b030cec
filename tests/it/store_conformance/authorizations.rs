//! What the cases about users' authorizations share: an authorization, and what it needs around it.

use grantor::model::authorization::{Authorization, AuthorizedApi};
use grantor::model::record::{Kind, Record, Whence};
use grantor::model::refresh::Family;
use grantor::model::session::Device;
use grantor::model::sign_in::RefreshTerms;
use grantor::model::user_grant::UserGrant;
use grantor::store::group::{GroupDoor, Operation};
use grantor::store::refresh_families::{self, NewFamily};
use grantor::store::user_grants;
use grantor::tokens::refresh::new_family;

use super::{Bench, NOW, ODD, api, application, user};

/// An API of the authorizations here: id and identifier.
pub(super) const ORDERS: (&str, &str) = ("a1", "https://orders.example/");
pub(super) const STOCK: (&str, &str) = ("a2", "https://stock.example/");

/// Two APIs, two applications, two users.
pub(super) async fn people(bench: &Bench) {
    for (id, identifier) in [ORDERS, STOCK] {
        bench.insert_api(&api(id, identifier)).await;
    }
    for name in ["app", "other app"] {
        bench.insert_application(&application(name)).await;
        bench.insert_user(&user(name)).await;
    }
}

/// What the user of an application's name has authorized it to do at some APIs.
pub(super) fn authorization(client_id: &str, apis: &[(&str, &str)]) -> Authorization {
    Authorization {
        family: new_family(),
        client_id: client_id.into(),
        user_id: format!("auth0|{client_id}"),
        session_id: Some("session".into()),
        openid: ["openid", "offline_access"].into_iter().collect(),
        apis: apis
            .iter()
            .map(|(id, audience)| AuthorizedApi {
                api_id: (*id).into(),
                audience: (*audience).into(),
                scopes: ["read"].into_iter().collect(),
            })
            .collect(),
        authenticated_at: NOW,
        amr: vec!["pwd".into()],
        nonce: Some(ODD.into()),
        claims: grantor::model::authorization::ClaimsRequest::default(),
        position: NOW * 1000,
    }
}

/// A family that begins at `created_at` and ends when `lifetime` says.
pub(super) fn family(authorization: Authorization, lifetime: Option<i64>, at: i64) -> Family {
    let terms = RefreshTerms {
        lifetime,
        ..RefreshTerms::usual(false)
    };
    let device = Device {
        initial_ip: Some(ODD.into()),
        initial_user_agent: None,
        last_ip: None,
        last_user_agent: Some(ODD.into()),
    };
    let digest = format!("first of {}", authorization.family);
    Family::begin(authorization, digest, (terms, device), at)
}

pub(super) fn new(family: &Family) -> NewFamily {
    NewFamily {
        family: family.clone(),
        families_max: 100,
        evicted: record("evicted"),
    }
}

pub(super) fn record(says: &str) -> Record {
    let whence = Whence::default();
    Record::new(Kind::RevokedRefreshToken, NOW * 1000, &whence, None).says(says)
}

pub(super) async fn begin(door: &GroupDoor, family: &Family) {
    let operation = Operation::StoreFamily(Box::new(new(family)));
    door.commit(operation).await.unwrap();
}

pub(super) async fn get(bench: &Bench, id: &str) -> Option<Family> {
    refresh_families::get(&mut bench.store.read().await.unwrap(), id)
        .await
        .unwrap()
}

/// The user of an application's name consents to an API, or to OpenID's scopes alone.
pub(super) async fn consent(bench: &Bench, client_id: &str, api_id: Option<&str>) {
    let grant = UserGrant {
        id: grantor::secret::random_hex_id(),
        user_id: format!("auth0|{client_id}"),
        client_id: client_id.into(),
        api_id: api_id.map(str::to_owned),
        audience: None,
        scopes: ["read"].into_iter().collect(),
        expires_at: None,
        created_at: NOW,
        updated_at: NOW,
    };
    bench
        .write(async |tx| user_grants::upsert(tx, &grant).await)
        .await
        .unwrap();
}

/// How many records say this.
pub(super) async fn records(bench: &Bench, says: &str) -> i64 {
    let count = format!("select count(*) from audit where description = '{says}'");
    bench.database.sql().await.number(&count).await
}
