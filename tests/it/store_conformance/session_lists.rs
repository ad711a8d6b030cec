//! `store::session_lists`: which of a user's sessions live, and with which applications.

use grantor::model::change::{Change, Covered};
use grantor::model::session::{Device, Session, SessionLifetimes};
use grantor::store::group::Operation;
use grantor::store::session_lists::{self, Live};
use grantor::store::{PageStart, sessions};
use serde_json::json;

use super::authorizations::people;
use super::group::door;
use super::{Bench, NOW, ODD, both_databases};

const USER: &str = "auth0|app";
const LIVE: Live = Live {
    persistent: SessionLifetimes {
        absolute: 1000,
        idle: 100,
    },
    ephemeral: SessionLifetimes {
        absolute: 500,
        idle: 50,
    },
    now: NOW,
};

fn session(id: &str, user_id: &str) -> Session {
    Session {
        id: id.into(),
        user_id: user_id.into(),
        position: NOW * 1000,
        amr: vec!["pwd".into()],
        is_persistent: true,
        device: Device {
            initial_ip: Some(ODD.into()),
            ..Device::default()
        },
        metadata: serde_json::Map::new(),
        created_at: NOW,
        updated_at: NOW,
        authenticated_at: NOW,
        last_interacted_at: NOW,
        expires_at: NOW + 1000,
    }
}

async fn insert(bench: &Bench, session: &Session) {
    let digest = format!("digest of {}", session.id);
    let inserted = bench.write(async |tx| sessions::insert(tx, session, &digest).await);
    inserted.await.unwrap();
}

/// The ids of a user's live sessions, each with its applications.
async fn listed(bench: &Bench, from: &PageStart, rows_max: i64) -> Vec<(String, Vec<String>)> {
    let mut conn = bench.store.read().await.unwrap();
    let page = session_lists::list(&mut conn, (USER, LIVE), from, rows_max).await;
    let ids = page.unwrap().into_iter();
    ids.map(|(session, clients)| (session.id, clients))
        .collect()
}

both_databases! {
    async fn a_page_of_sessions_goes_by_age_each_with_its_applications(bench: Bench) {
        people(bench).await;
        for (id, created_at) in [("b", NOW), ("a", NOW), ("c", NOW - 1)] {
            insert(bench, &Session { created_at, ..session(id, USER) }).await;
        }
        insert(bench, &session("d", "auth0|other app")).await;
        for client_id in ["other app", "app"] {
            let touch = Operation::TouchSession { id: "a".into(), user_id: USER.into(), client_id: Some(client_id.into()) };
            door(bench, 10).commit(touch).await.unwrap();
        }
        let own = |id: &str| (id.to_owned(), Vec::new());
        let a = ("a".to_owned(), vec!["app".to_owned(), "other app".to_owned()]);
        let all = listed(bench, &PageStart::Offset(0), 10).await;
        assert_eq!(all, [own("c"), a.clone(), own("b")]);
        assert_eq!(listed(bench, &PageStart::Offset(1), 1).await, std::slice::from_ref(&a));
        let behind = PageStart::Behind { created_at: NOW, id: "a".into() };
        assert_eq!(listed(bench, &behind, 10).await, [own("b")]);
        let mut conn = bench.store.read().await.unwrap();
        assert_eq!(session_lists::count(&mut conn, USER, LIVE).await.unwrap(), 3);
        let (found, clients) = session_lists::get(&mut conn, "a", LIVE).await.unwrap().unwrap();
        assert_eq!((found.id, clients), a);
        assert!(session_lists::get(&mut conn, "unknown", LIVE).await.unwrap().is_none());
        let (found, _) = session_lists::get(&mut conn, "b", LIVE).await.unwrap().unwrap();
        assert_eq!(found, session("b", USER));
    }

    async fn a_session_that_has_ended_by_todays_settings_is_not_there(bench: Bench) {
        people(bench).await;
        let ephemeral = |id| Session { is_persistent: false, ..session(id, USER) };
        for (own, lives) in [
            (session("fresh", USER), true),
            (Session { expires_at: NOW + 1, ..session("last second", USER) }, true),
            (Session { expires_at: NOW, ..session("at its end", USER) }, false),
            (Session { authenticated_at: NOW - 999, ..session("old", USER) }, true),
            (Session { authenticated_at: NOW - 1000, ..session("too old", USER) }, false),
            (Session { last_interacted_at: NOW - 99, ..session("idle", USER) }, true),
            (Session { last_interacted_at: NOW - 100, ..session("too idle", USER) }, false),
            (Session { authenticated_at: NOW - 499, last_interacted_at: NOW - 49, ..ephemeral("of a window") }, true),
            (Session { authenticated_at: NOW - 500, ..ephemeral("too old a window") }, false),
            (Session { last_interacted_at: NOW - 50, ..ephemeral("too idle a window") }, false),
        ] {
            insert(bench, &own).await;
            let mut conn = bench.store.read().await.unwrap();
            let found = session_lists::get(&mut conn, &own.id, LIVE).await.unwrap();
            assert_eq!(found.is_some(), lives, "{}", own.id);
            let today = if own.is_persistent { LIVE.persistent } else { LIVE.ephemeral };
            assert_eq!(own.is_live(today, NOW), lives, "the model agrees: {}", own.id);
        }
        assert_eq!(listed(bench, &PageStart::Offset(0), 100).await.len(), 5);
        let mut conn = bench.store.read().await.unwrap();
        assert_eq!(session_lists::count(&mut conn, USER, LIVE).await.unwrap(), 5);
    }

    async fn a_wholesale_revocation_of_the_user_hides_what_began_before_it(bench: Bench) {
        people(bench).await;
        insert(bench, &Session { position: 0, ..session("before", USER) }).await;
        insert(bench, &Session { position: i64::MAX, ..session("after", USER) }).await;
        for covered in [Covered::User(USER.into()), Covered::All] {
            let noted = bench.write(async |tx| {
                tx.note(Change::Revocation(covered));
                Ok(())
            });
            noted.await.unwrap();
            let found = listed(bench, &PageStart::Offset(0), 10).await;
            assert_eq!(found, [("after".to_owned(), Vec::new())]);
        }
    }

    async fn what_is_kept_of_a_session_is_set(bench: Bench) {
        people(bench).await;
        insert(bench, &session("a", USER)).await;
        let metadata = json!({ "a": ODD }).as_object().unwrap().clone();
        for (id, is_there) in [("a", true), ("unknown", false)] {
            let set = bench.write(async |tx| session_lists::set_metadata(tx, id, &metadata, NOW + 7).await);
            assert_eq!(set.await.unwrap(), is_there);
        }
        let mut conn = bench.store.read().await.unwrap();
        let (found, _) = session_lists::get(&mut conn, "a", LIVE).await.unwrap().unwrap();
        assert_eq!(found, Session { metadata, updated_at: NOW + 7, ..session("a", USER) });
    }
}
