//! `store::sessions`

use std::time::Duration;

use grantor::logout;
use grantor::model::change::Covered;
use grantor::model::session::{Device, Session, SessionLifetimes};
use grantor::store::group::{GroupDoor, Operation};
use grantor::store::{applications, sessions, users};
use serde_json::json;

use super::group::door;
use super::{Bench, NOW, ODD, application, both_databases, user};
use crate::harness::{Backend, within};

const WEEK: SessionLifetimes = SessionLifetimes {
    absolute: 604_800,
    idle: 86_400,
};
const DAY: SessionLifetimes = SessionLifetimes {
    absolute: 86_400,
    idle: 3600,
};

/// A persistent session of a user, which began now.
fn session(id: &str, user: &str) -> Session {
    Session {
        id: id.into(),
        user_id: format!("auth0|{user}"),
        position: NOW * 1000,
        amr: vec!["pwd".into()],
        is_persistent: true,
        device: Device::default(),
        metadata: serde_json::Map::new(),
        created_at: NOW,
        updated_at: NOW,
        authenticated_at: NOW,
        last_interacted_at: NOW,
        expires_at: NOW + WEEK.absolute,
    }
}

async fn insert(bench: &Bench, session: &Session) {
    let digest = format!("digest of {}", session.id);
    let inserted = bench.write(async |tx| sessions::insert(tx, session, &digest).await);
    inserted.await.unwrap();
}

async fn get(bench: &Bench, id: &str) -> Option<Session> {
    let mut conn = bench.store.read().await.unwrap();
    sessions::get(&mut conn, id).await.unwrap()
}

async fn by_cookie(bench: &Bench, digest: &str) -> Option<Session> {
    let mut conn = bench.store.read().await.unwrap();
    sessions::by_cookie(&mut conn, digest).await.unwrap()
}

async fn clients(bench: &Bench, id: &str) -> Vec<String> {
    let mut conn = bench.store.read().await.unwrap();
    sessions::clients(&mut conn, id).await.unwrap()
}

async fn ids_of_user(bench: &Bench, user: &str, rows_max: i64) -> Vec<String> {
    let mut conn = bench.store.read().await.unwrap();
    let user_id = format!("auth0|{user}");
    sessions::ids_of_user(&mut conn, &user_id, rows_max)
        .await
        .unwrap()
}

async fn touch(door: &GroupDoor, id: &str, client_id: Option<&str>) {
    let touch = Operation::TouchSession {
        id: id.to_owned(),
        user_id: "auth0|a".to_owned(),
        client_id: client_id.map(str::to_owned),
    };
    door.commit(touch).await.unwrap();
}

both_databases! {
    /// Whoever notes an application at a session that somebody else is about to end comes too late.
    async fn who_has_locked_a_session_goes_first(bench: Bench) {
        bench.insert_user(&user("a")).await;
        bench.insert_application(&application("c")).await;
        insert(bench, &session("s", "a")).await;
        let door = door(bench, 100);
        let mut tx = bench.store.write().await.unwrap();
        assert!(sessions::lock(&mut tx, "s").await.unwrap());
        assert!(!sessions::lock(&mut tx, "nobody's").await.unwrap());
        let note = touch(&door, "s", Some("c"));
        let end = async {
            // SQLite has one writer, so the other one waits there by itself.
            if bench.database.backend() == Backend::Postgres {
                let mut sql = bench.database.sql().await;
                let waiting = "select count(*) from pg_stat_activity
                    where datname = current_database() and wait_event_type = 'Lock'";
                within(Duration::from_secs(10), async || sql.number(waiting).await == 1).await;
            }
            assert_eq!(sessions::clients(&mut tx, "s").await.unwrap(), [""; 0]);
            assert!(sessions::delete(&mut tx, "s").await.unwrap());
            tx.commit(NOW).await.unwrap();
        };
        tokio::join!(note, end);
        assert_eq!((get(bench, "s").await, clients(bench, "s").await), (None, vec![]));
    }

    async fn a_session_comes_back_as_it_was_stored_by_cookie_and_by_id(bench: Bench) {
        bench.insert_user(&user("a")).await;
        let metadata = json!({ ODD: [ODD, 1] });
        let odd = Session {
            amr: vec![ODD.into(), "pwd".into()],
            is_persistent: false,
            device: Device {
                initial_ip: Some("::1".into()),
                initial_user_agent: Some(ODD.into()),
                last_ip: None,
                last_user_agent: Some(String::new()),
            },
            metadata: metadata.as_object().unwrap().clone(),
            position: i64::MAX,
            expires_at: i64::MAX,
            ..session("odd", "a")
        };
        insert(bench, &odd).await;
        insert(bench, &session("plain", "a")).await;
        assert_eq!(get(bench, "odd").await, Some(odd.clone()));
        assert_eq!(by_cookie(bench, "digest of odd").await, Some(odd));
        assert_eq!(by_cookie(bench, "digest of plain").await, Some(session("plain", "a")));
        for unknown in ["", "odd", "digest of", "Digest of odd"] {
            assert_eq!(by_cookie(bench, unknown).await, None, "{unknown}");
        }
        assert_eq!(get(bench, "Odd").await, None);
    }

    async fn a_renewed_session_goes_on_under_another_cookie_only(bench: Bench) {
        bench.insert_user(&user("a")).await;
        insert(bench, &session("s", "a")).await;
        let renewed = Session {
            position: NOW * 1000 + 7,
            amr: vec!["otp".into()],
            is_persistent: false,
            device: Device { last_ip: Some("192.0.2.1".into()), ..Device::default() },
            updated_at: NOW + 5,
            authenticated_at: NOW + 5,
            last_interacted_at: NOW + 5,
            expires_at: NOW + 50,
            ..session("s", "a")
        };
        assert!(bench.write(async |tx| sessions::renew(tx, &renewed, "another").await).await.unwrap());
        assert_eq!(by_cookie(bench, "digest of s").await, None);
        assert_eq!(by_cookie(bench, "another").await, Some(renewed.clone()));
        let gone = Session { id: "gone".into(), ..renewed };
        assert!(!bench.write(async |tx| sessions::renew(tx, &gone, "third").await).await.unwrap());
        assert_eq!(by_cookie(bench, "third").await, None);
    }

    async fn applications_of_a_session_are_noted_once_and_uses_seldom(bench: Bench) {
        bench.insert_user(&user("a")).await;
        for client_id in ["app", "other"] {
            bench.insert_application(&application(client_id)).await;
        }
        let old = Session { last_interacted_at: 0, updated_at: 0, ..session("old", "a") };
        insert(bench, &old).await;
        insert(bench, &session("new", "a")).await;
        let door = door(bench, 100);
        for client_id in [Some("app"), Some("app"), Some("unknown"), None, Some("other")] {
            touch(&door, "old", client_id).await;
            touch(&door, "gone", client_id).await;
        }
        touch(&door, "new", Some("other")).await;
        assert_eq!(clients(bench, "old").await, ["app", "other"]);
        assert_eq!(clients(bench, "new").await, ["other"]);
        assert_eq!(clients(bench, "gone").await, [""; 0]);
        // The door has a clock of its own.
        let touched = get(bench, "old").await.unwrap();
        assert!(touched.last_interacted_at > 0 && touched.updated_at == touched.last_interacted_at);
        assert!(bench.write(async |tx| applications::delete(tx, "app").await).await.unwrap());
        assert_eq!(clients(bench, "old").await, ["other"]);
    }

    async fn a_removed_session_takes_its_applications_along_and_a_user_their_sessions(bench: Bench) {
        for own in ["a", "b"] {
            bench.insert_user(&user(own)).await;
        }
        bench.insert_application(&application("app")).await;
        let door = door(bench, 100);
        for (id, own, created_at) in [("1", "a", NOW + 2), ("2", "a", NOW), ("3", "a", NOW), ("4", "b", NOW)] {
            insert(bench, &Session { created_at, ..session(id, own) }).await;
            touch(&door, id, Some("app")).await;
        }
        assert_eq!(ids_of_user(bench, "a", 10).await, ["2", "3", "1"]);
        assert_eq!(ids_of_user(bench, "a", 2).await, ["2", "3"]);
        for is_first in [true, false] {
            let deleted = bench.write(async |tx| sessions::delete(tx, "2").await).await;
            assert_eq!(deleted.unwrap(), is_first);
        }
        assert_eq!(clients(bench, "2").await, [""; 0]);
        assert_eq!(ids_of_user(bench, "a", 10).await, ["3", "1"]);
        assert!(bench.write(async |tx| users::delete(tx, "auth0|a").await).await.unwrap());
        assert_eq!(ids_of_user(bench, "a", 10).await, [""; 0]);
        assert_eq!(ids_of_user(bench, "b", 10).await, ["4"]);
        assert_eq!(bench.database.sql().await.number("select count(*) from session_clients").await, 1);
    }

    async fn a_session_expires_by_its_own_end_or_by_what_counts_today(bench: Bench) {
        bench.insert_user(&user("a")).await;
        let far = NOW + 10_000_000;
        let long = |id: &str| Session { expires_at: far, ..session(id, "a") };
        let other = |id: &str| Session { is_persistent: false, ..long(id) };
        for one in [
            Session { expires_at: NOW, ..long("a its end") },
            Session { expires_at: NOW + 1, ..long("before its end") },
            Session { authenticated_at: NOW - WEEK.absolute, ..long("b old") },
            Session { authenticated_at: NOW - WEEK.absolute + 1, ..long("nearly old") },
            Session { last_interacted_at: NOW - WEEK.idle, ..long("c idle") },
            Session { last_interacted_at: NOW - WEEK.idle + 1, ..long("nearly idle") },
            Session { authenticated_at: NOW - DAY.absolute, ..other("d old") },
            Session { authenticated_at: NOW - DAY.absolute + 1, ..other("other, nearly old") },
            Session { last_interacted_at: NOW - DAY.idle, ..other("e idle") },
            Session { last_interacted_at: NOW - DAY.idle + 1, ..other("other, nearly idle") },
        ] {
            let today = if one.is_persistent { WEEK } else { DAY };
            let lives = one.id.contains("nearly") || one.id.starts_with("before");
            assert_eq!(one.is_live(today, NOW), lives, "{}", one.id);
            insert(bench, &one).await;
        }
        let mut conn = bench.store.read().await.unwrap();
        let expired = sessions::expired(&mut conn, (WEEK, DAY), NOW, 10).await.unwrap();
        assert_eq!(expired, ["a its end", "b old", "c idle", "d old", "e idle"]);
        let bounded = sessions::expired(&mut conn, (WEEK, DAY), NOW, 2).await.unwrap();
        assert_eq!(bounded, ["a its end", "b old"]);
    }

    async fn a_revocation_covers_the_sessions_of_a_user_or_all_from_before_it(bench: Bench) {
        for own in ["a", "b"] {
            bench.insert_user(&user(own)).await;
        }
        for (id, own, position) in [("1", "a", 7), ("2", "a", 8), ("3", "b", 7)] {
            insert(bench, &Session { position, ..session(id, own) }).await;
        }
        let mut conn = bench.store.read().await.unwrap();
        let name = || "auth0|a".to_owned();
        for (user_id, expected) in [(Some("auth0|a"), &["1"][..]), (None, &["1", "3"])] {
            let mut found = async |number, rows_max| sessions::begun_before(&mut conn, user_id, number, rows_max).await.unwrap();
            assert_eq!(found(7, 10).await, [""; 0], "{user_id:?}: from before them");
            let mut ids = found(8, 10).await;
            ids.sort_unstable();
            assert_eq!(ids, expected, "{user_id:?}");
            assert_eq!(found(9, 1).await.len(), 1, "{user_id:?}");
        }
        for others in [Covered::Application(name()), Covered::UsersOf(name()), Covered::Api(name())] {
            assert_eq!(logout::end_covered(&bench.store, (&others, 9), NOW).await.unwrap(), 0, "{others:?}");
        }
        assert_eq!(sessions::begun_before(&mut conn, None, 9, 10).await.unwrap().len(), 3);
    }
}
