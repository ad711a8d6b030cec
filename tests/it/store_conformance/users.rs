//! `store::users`

use grantor::model::user::User;
use grantor::secret::Secret;
use grantor::store::users;
use serde_json::{Map, Value};

use super::{Bench, NOW, ODD, both_databases, odd, user};

async fn get(bench: &Bench, user_id: &str) -> Option<User> {
    users::get(&mut bench.store.read().await.unwrap(), user_id)
        .await
        .unwrap()
}

async fn sign_in(bench: &Bench, identifier: &str) -> Option<users::SignIn> {
    users::find_for_sign_in(&mut bench.store.read().await.unwrap(), identifier)
        .await
        .unwrap()
}

fn hash(text: &str) -> Secret<String> {
    Secret::new(format!("hash of {text}"))
}

fn metadata() -> Map<String, Value> {
    odd().0.into_iter().collect()
}

/// Every member set to something odd.
fn odd_user(own: &str) -> User {
    let odd = || Some(ODD.to_owned());
    User {
        email: Some(format!("{ODD}@{own}")),
        email_verified: true,
        username: Some(format!("{ODD} of {own}")),
        phone_number: odd(),
        phone_verified: true,
        name: odd(),
        given_name: odd(),
        family_name: odd(),
        nickname: odd(),
        picture: odd(),
        blocked: true,
        user_metadata: metadata(),
        app_metadata: metadata(),
        created_at: i64::MIN,
        updated_at: i64::MAX,
        last_login: Some(i64::MAX),
        last_ip: odd(),
        logins_count: i64::MAX,
        last_password_reset: Some(0),
        ..user(own)
    }
}

both_databases! {
    async fn a_user_comes_back_as_it_was_stored(bench: Bench) {
        let plain = User { email: None, username: Some("plain".into()), ..user("2") };
        for one in [user("0"), odd_user("1"), plain] {
            bench.insert_user(&one).await;
            assert_eq!(get(bench, &one.user_id).await, Some(one));
        }
        assert_eq!(get(bench, "auth0|none").await, None);
        let neither = User { email: None, ..user("3") };
        assert!(bench.write(async |tx| users::insert(tx, &neither, None).await).await.is_err());
    }

    async fn an_id_an_address_and_a_username_are_one_users_whatever_their_case(bench: Bench) {
        bench.insert_user(&User { username: Some("Jose\u{301}".into()), ..user("a") }).await;
        for taken in [
            User { email: Some("other@a.example".into()), ..user("a") },
            User { email: Some("A@A.EXAMPLE".into()), ..user("b") },
            User { username: Some("JOS\u{c9}".into()), ..user("b") },
        ] {
            let inserted = bench.write(async |tx| users::insert(tx, &taken, None).await).await.unwrap();
            assert!(!inserted, "{taken:?}");
        }
        // Unset ones are nobody's.
        for own in ["c", "d"] {
            bench.insert_user(&User { email: None, username: Some(own.into()), ..user(own) }).await;
        }
    }

    async fn a_change_overwrites_all_but_what_sign_ins_leave_and_takes_nobodys_address(bench: Bench) {
        bench.insert_user(&user("a")).await;
        bench.insert_user(&User { username: Some("bee".into()), ..user("b") }).await;
        let update = async |own: &User| bench.write(async |tx| {
            assert!(users::lock(tx, &own.user_id).await?);
            users::update(tx, own).await
        }).await.unwrap();
        let changed = User { updated_at: NOW + 1, ..odd_user("a") };
        assert!(update(&changed).await);
        let kept = User { created_at: NOW, last_login: None, last_ip: None, logins_count: 0, last_password_reset: None, ..changed };
        assert_eq!(get(bench, "auth0|a").await, Some(kept.clone()));
        for taken in [
            User { email: Some("B@a.example".into()), ..kept.clone() },
            User { username: Some("BEE".into()), ..kept.clone() },
        ] {
            assert!(!update(&taken).await);
        }
        assert!(update(&User { email: Some("A@a.example".into()), ..kept }).await, "its own address in another case");
        let (locked, updated) = bench.write(async |tx| {
            Ok((users::lock(tx, "auth0|none").await?, users::update(tx, &user("none")).await?))
        }).await.unwrap();
        assert!(!locked && !updated);
    }

    /// Only one of two who take the same address at one time gets it, and neither meets a fault.
    async fn an_address_that_two_take_at_one_time_is_one_users(bench: Bench) {
        for own in ["a", "b"] {
            bench.insert_user(&user(own)).await;
        }
        let take = async |own: &str| {
            let wanted = User { email: Some("wanted@a.example".into()), ..user(own) };
            let mut tx = bench.store.write().await.unwrap();
            let took = users::update(&mut tx, &wanted).await.unwrap();
            if took {
                tx.commit(NOW).await.unwrap();
            }
            took
        };
        let (a, b) = tokio::join!(take("a"), take("b"));
        assert!(a != b, "{a} {b}");
    }

    async fn a_user_is_found_for_a_sign_in_by_address_or_username_with_the_hash(bench: Bench) {
        let own = User { email: Some("Ann@A.example".into()), username: Some("Ann".into()), ..user("a") };
        bench.write(async |tx| users::insert(tx, &own, Some(&hash("1"))).await).await.unwrap();
        for identifier in ["ann@a.example", "ANN@A.EXAMPLE", "ann", "ANN"] {
            let found = sign_in(bench, identifier).await.unwrap();
            assert_eq!((&found.user, found.password_hash, found.password_version), (&own, Some(hash("1")), 1));
        }
        for identifier in ["", "ann@", "auth0|a", ODD] {
            assert!(sign_in(bench, identifier).await.is_none());
        }
        assert!(!format!("{:?}", sign_in(bench, "ann").await).contains("hash of"));
        let mut conn = bench.store.read().await.unwrap();
        assert_eq!(users::by_email(&mut conn, "ANN@a.example").await.unwrap(), [own]);
        assert_eq!(users::by_email(&mut conn, "ann").await.unwrap(), []);
    }

    async fn another_password_has_another_number_and_a_better_hash_has_the_same(bench: Bench) {
        bench.write(async |tx| users::insert(tx, &user("a"), Some(&hash("1"))).await).await.unwrap();
        let upgrade = async |old, new| bench.write(async |tx| {
            users::upgrade_password_hash(tx, "auth0|a", &hash(old), &hash(new)).await
        }).await.unwrap();
        assert!(upgrade("1", "1, better").await);
        assert!(!upgrade("1", "1, too late").await);
        let found = sign_in(bench, "a@a.example").await.unwrap();
        assert_eq!((found.password_hash, found.password_version), (Some(hash("1, better")), 1));
        assert_eq!((found.user.updated_at, found.user.last_password_reset), (NOW, None));
        let set = async |user_id| bench.write(async |tx| users::set_password_hash(tx, user_id, &hash("2"), NOW + 5).await).await.unwrap();
        assert!(set("auth0|a").await && !set("auth0|none").await);
        assert!(!upgrade("1, better", "1, after the change").await);
        let found = sign_in(bench, "a@a.example").await.unwrap();
        assert_eq!((found.password_hash, found.password_version), (Some(hash("2")), 2));
        assert_eq!((found.user.updated_at, found.user.last_password_reset), (NOW + 5, Some(NOW + 5)));
    }

    async fn a_sign_in_counts_only_with_the_password_that_was_verified_and_while_not_blocked(bench: Bench) {
        bench.write(async |tx| users::insert(tx, &user("a"), Some(&hash("1"))).await).await.unwrap();
        let note = async |version, at, ip: Option<&str>| bench.write(async |tx| {
            users::note_login(tx, "auth0|a", version, (at, ip)).await
        }).await.unwrap();
        assert!(note(1, NOW + 1, Some("192.0.2.1")).await);
        assert!(note(1, NOW + 2, None).await);
        assert!(!note(2, NOW + 3, None).await);
        let noted = get(bench, "auth0|a").await.unwrap();
        assert_eq!((noted.last_login, noted.last_ip.clone(), noted.logins_count), (Some(NOW + 2), None, 2));
        assert_eq!(noted.updated_at, NOW);
        let active = async |since| users::count_active(&mut bench.store.read().await.unwrap(), since).await.unwrap();
        bench.insert_user(&user("b")).await;
        assert_eq!((active(NOW + 2).await, active(NOW + 3).await), (1, 0));
        let blocked = User { blocked: true, ..noted };
        bench.write(async |tx| users::update(tx, &blocked).await).await.unwrap();
        assert!(!note(1, NOW + 4, None).await);
    }

    async fn a_deleted_user_is_gone(bench: Bench) {
        bench.insert_user(&user("a")).await;
        let delete = async || bench.write(async |tx| users::delete(tx, "auth0|a").await).await.unwrap();
        assert!(delete().await && !delete().await);
        assert!(get(bench, "auth0|a").await.is_none() && sign_in(bench, "a@a.example").await.is_none());
        bench.insert_user(&user("a")).await;
    }
}
