//! `store::client_credentials`: public keys of applications, and which of them are attached.

use grantor::model::application::Application;
use grantor::model::client_credential::{ClientCredential, CredentialType};
use grantor::model::public_key::{AssertionAlgorithm, from_pem};
use grantor::store::{applications, client_credentials};

use super::{Bench, NOW, ODD, application, both_databases, expect_defect};

/// A key that fits the algorithm.
fn pem(algorithm: AssertionAlgorithm) -> &'static str {
    match algorithm {
        AssertionAlgorithm::Es256 => include_str!("../../data/public_keys/p256.pem"),
        AssertionAlgorithm::EdDsa => include_str!("../../data/public_keys/ed25519.pem"),
        _ => include_str!("../../data/public_keys/rsa_2048.pem"),
    }
}

fn credential(id: &str, algorithm: AssertionAlgorithm) -> ClientCredential {
    ClientCredential {
        id: id.into(),
        credential_type: CredentialType::PublicKey,
        name: None,
        kid: format!("kid of {id}"),
        algorithm,
        key: from_pem(pem(algorithm), algorithm).unwrap().key,
        thumbprint_sha256: None,
        expires_at: None,
        created_at: NOW,
        updated_at: NOW,
    }
}

fn ed(id: &str) -> ClientCredential {
    credential(id, AssertionAlgorithm::EdDsa)
}

async fn insert(bench: &Bench, client_id: &str, credential: &ClientCredential) -> bool {
    let insert =
        bench.write(async |tx| client_credentials::insert(tx, client_id, credential).await);
    insert.await.unwrap()
}

async fn ids(bench: &Bench, client_id: &str) -> Vec<String> {
    let mut conn = bench.store.read().await.unwrap();
    let all = client_credentials::of_application(&mut conn, client_id).await;
    all.unwrap().into_iter().map(|own| own.id).collect()
}

async fn read(bench: &Bench, client_id: &str) -> Application {
    let mut conn = bench.store.read().await.unwrap();
    applications::get(&mut conn, client_id)
        .await
        .unwrap()
        .unwrap()
}

both_databases! {
    async fn every_column_of_a_credential_comes_back_as_it_was_stored(bench: Bench) {
        bench.insert_application(&application("app")).await;
        for (n, algorithm) in AssertionAlgorithm::ALL.into_iter().enumerate() {
            let plain = credential(&format!("plain {n}"), algorithm);
            let full = ClientCredential {
                credential_type: CredentialType::X509Cert,
                name: Some(ODD.into()),
                thumbprint_sha256: Some(ODD.into()),
                expires_at: Some(i64::MAX),
                created_at: i64::MIN,
                updated_at: i64::MAX,
                ..credential(&format!("full {n}"), algorithm)
            };
            for stored in [plain, full] {
                assert!(insert(bench, "app", &stored).await);
                let mut conn = bench.store.read().await.unwrap();
                let found = client_credentials::get(&mut conn, "app", &stored.id).await.unwrap();
                assert_eq!(format!("{:?}", found.unwrap()), format!("{stored:?}"));
                assert!(client_credentials::get(&mut conn, "other", &stored.id).await.unwrap().is_none());
            }
        }
    }

    async fn a_kid_names_one_credential_of_an_application(bench: Bench) {
        for id in ["app", "other"] {
            bench.insert_application(&application(id)).await;
        }
        let same_kid = |id: &str| ClientCredential { kid: "kid".into(), ..ed(id) };
        assert!(insert(bench, "app", &same_kid("first")).await);
        assert!(!insert(bench, "app", &same_kid("second")).await);
        assert!(insert(bench, "other", &same_kid("third")).await);
        assert_eq!(ids(bench, "app").await, ["first"]);
        assert_eq!(ids(bench, "other").await, ["third"]);
        let taken_id = bench.write(async |tx| client_credentials::insert(tx, "app", &ed("third")).await);
        expect_defect(taken_id.await);
        let of_nobody = bench.write(async |tx| client_credentials::insert(tx, "nobody", &ed("x")).await);
        expect_defect(of_nobody.await);
    }

    async fn only_the_attached_ones_come_with_the_application(bench: Bench) {
        bench.insert_application(&application("app")).await;
        for (id, created_at) in [("b", NOW), ("a", NOW), ("c", NOW - 1)] {
            assert!(insert(bench, "app", &ClientCredential { created_at, ..ed(id) }).await);
        }
        assert_eq!(ids(bench, "app").await, ["c", "a", "b"]);
        let attached = async || {
            let found = read(bench, "app").await;
            let ids: Vec<_> = found.credentials.into_iter().map(|own| own.id).collect();
            (found.private_key_jwt, ids)
        };
        let attach = async |ids: Option<&[&str]>| {
            let ids: Option<Vec<String>> = ids.map(|ids| ids.iter().map(|&id| id.into()).collect());
            bench.write(async |tx| client_credentials::attach(tx, "app", ids.as_deref()).await).await.unwrap();
        };
        assert_eq!(attached().await, (None, vec![]));
        attach(Some(&["b", "c"])).await;
        assert_eq!(attached().await, (Some(vec!["b".into(), "c".into()]), vec!["c".into(), "b".into()]));
        attach(Some(&[])).await;
        assert_eq!(attached().await, (Some(vec![]), vec![]));
        attach(None).await;
        assert_eq!(attached().await, (None, vec![]));
    }

    async fn an_end_is_set_and_taken_away_and_a_credential_goes(bench: Bench) {
        for id in ["app", "other"] {
            bench.insert_application(&application(id)).await;
        }
        assert!(insert(bench, "app", &ed("a")).await);
        let set = async |client_id: &str, id: &str, end| {
            bench.write(async |tx| client_credentials::update_end(tx, (client_id, id), end, NOW + 5).await).await.unwrap()
        };
        let times = async || {
            let mut conn = bench.store.read().await.unwrap();
            let found = client_credentials::get(&mut conn, "app", "a").await.unwrap().unwrap();
            (found.expires_at, found.created_at, found.updated_at)
        };
        assert!(set("app", "a", Some(NOW + 9)).await);
        assert_eq!(times().await, (Some(NOW + 9), NOW, NOW + 5));
        assert!(set("app", "a", None).await);
        assert_eq!(times().await, (None, NOW, NOW + 5));
        assert!(!set("other", "a", None).await && !set("app", "b", None).await);
        let delete = async |client_id: &str, id: &str| {
            bench.write(async |tx| client_credentials::delete(tx, client_id, id).await).await.unwrap()
        };
        assert!(!delete("other", "a").await && !delete("app", "b").await);
        assert!(delete("app", "a").await && !delete("app", "a").await);
        assert!(insert(bench, "app", &ed("a")).await);
        bench.write(async |tx| applications::delete(tx, "app").await).await.unwrap();
        assert_eq!(ids(bench, "app").await, [] as [String; 0]);
    }

    async fn a_key_or_type_that_this_version_does_not_know_is_a_defect(bench: Bench) {
        bench.insert_application(&application("app")).await;
        assert!(insert(bench, "app", &ed("a")).await);
        let mut sql = bench.database.sql().await;
        assert!(sql.run("update client_credentials set credential_type = 'other'").await.is_err());
        sql.run("update client_credentials set public_key = '{}'").await.unwrap();
        let mut conn = bench.store.read().await.unwrap();
        expect_defect(client_credentials::of_application(&mut conn, "app").await);
    }
}
