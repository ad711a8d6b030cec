//! `/api/v2/sessions`, a user's sessions, and signing a user out.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::away::{Away, ORDERS};
use crate::desk::{Desk, members, no_nulls, refused};
use crate::harness::{Node, both_stores};
use crate::manage_rights::lacks;
use crate::signed_in::sign_in;

/// Both are needed where both end.
const BOTH: [&str; 2] = ["delete:sessions", "delete:refresh_tokens"];

async fn sessions(desk: &Desk<'_>, user_id: &str) -> Vec<Value> {
    let shown = desk.shown(&format!("/users/{user_id}/sessions")).await;
    shown["sessions"].as_array().expect("sessions").clone()
}

/// A refresh token and an access token that come from a session.
async fn tokens_of(node: &Node, away: &Away, session_id: &str) -> (String, String) {
    let mut authorization = away.authorization(node, &[ORDERS]);
    authorization.session_id = Some(session_id.to_owned());
    let answer = away
        .redeem(node, authorization)
        .await
        .expect(StatusCode::OK);
    (answer.text("refresh_token"), answer.text("access_token"))
}

async fn is_there(desk: &Desk<'_>, id: &str) -> bool {
    let answer = desk.get(&format!("/sessions/{id}")).await;
    if answer.status == StatusCode::OK {
        return true;
    }
    answer.expect_problem(StatusCode::NOT_FOUND, "inexistent_session");
    false
}

both_stores! {
    async fn a_session_is_shown_in_auth0s_shape(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let away = Away::new(world, json!({})).await;
        let id = sign_in(&node.app, &away.user_id, &[&away.app.id]).await;
        let shown = desk.shown(&format!("/sessions/{id}")).await;
        no_nulls(&shown);
        assert_eq!(members(&shown), [
            "authenticated_at", "authentication", "clients", "cookie", "created_at", "device", "expires_at", "id",
            "idle_expires_at", "last_interacted_at", "updated_at", "user_id",
        ]);
        let at = |seconds: i64| json!(grantor::model::instant::to_rfc3339(world.clock.now() + seconds));
        assert_eq!(shown["authenticated_at"], at(0));
        assert_eq!(shown["idle_expires_at"], at(72 * 3600));
        assert_eq!(shown["expires_at"], at(168 * 3600));
        assert_eq!(shown["clients"], json!([{ "client_id": away.app.id }]));
        assert_eq!(shown["authentication"], json!({ "methods": [{ "name": "pwd", "timestamp": at(0) }] }));
        assert_eq!(shown["cookie"], json!({ "mode": "persistent" }));
        assert_eq!(shown["device"], json!({ "initial_ip": "192.0.2.1", "initial_user_agent": "A browser", "last_ip": "192.0.2.2" }));

        // A shortened setting counts at once.
        desk.patch("/tenants/settings", json!({ "session_lifetime": 2, "idle_session_lifetime": 1 })).await.expect(StatusCode::OK);
        let shown = desk.shown(&format!("/sessions/{id}")).await;
        assert_eq!((&shown["idle_expires_at"], &shown["expires_at"]), (&at(3600), &at(7200)));
        world.clock.advance(3600);
        let desk = Desk::open(node).await;
        assert!(!is_there(&desk, &id).await);
        assert!(sessions(&desk, &away.user_id).await.is_empty());
    }

    async fn what_is_kept_of_a_session_is_set_whole_and_bounded(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let away = Away::new(world, json!({})).await;
        let path = format!("/sessions/{}", sign_in(&node.app, &away.user_id, &[]).await);
        for metadata in [json!({ "a": "b", "c": "d" }), json!({ "e": "x".repeat(255) })] {
            let body = json!({ "session_metadata": metadata });
            let changed = desk.patch(&path, body).await.expect(StatusCode::OK).json;
            assert_eq!(changed["session_metadata"], metadata, "the whole takes the place of the whole");
            assert_eq!(desk.shown(&path).await, changed);
        }
        let many: serde_json::Map<_, _> = (0..26).map(|n| (format!("k{n}"), json!("v"))).collect();
        for (wrong, property) in [
            (json!(many), "session_metadata"),
            (json!("x"), "session_metadata"),
            (json!({ "a": "x".repeat(256) }), "session_metadata.a"),
            (json!({ "a": 1 }), "session_metadata.a"),
        ] {
            refused(desk.patch(&path, json!({ "session_metadata": wrong })).await, property);
        }
        for empty in [json!(null), json!({})] {
            desk.patch(&path, json!({ "session_metadata": { "a": "b" } })).await.expect(StatusCode::OK);
            let cleared = desk.patch(&path, json!({ "session_metadata": empty })).await.expect(StatusCode::OK);
            assert!(cleared.json.get("session_metadata").is_none());
        }
        desk.patch("/sessions/unknown", json!({})).await.expect_problem(StatusCode::NOT_FOUND, "inexistent_session");
    }

    async fn a_users_sessions_are_paged_and_end_one_by_one_or_at_once(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let away = Away::new(world, json!({})).await;
        let other = away.another(world, json!({})).await;
        let mut ids = Vec::new();
        for _ in 0..5 {
            ids.push(sign_in(&node.app, &away.user_id, &[&away.app.id, &other.app.id]).await);
            world.clock.advance(1);
        }
        let others = sign_in(&node.app, &other.user_id, &[]).await;
        let mut seen = Vec::new();
        let mut from = String::new();
        loop {
            let path = format!("/users/{}/sessions?take=2&include_totals=true{from}", away.user_id);
            let page = desk.shown(&path).await;
            assert_eq!(page["total"], 5);
            let own = page["sessions"].as_array().unwrap();
            seen.extend(own.iter().map(|one| one["id"].as_str().unwrap().to_owned()));
            assert!(own.iter().all(|one| one["clients"].as_array().unwrap().len() == 2));
            let Some(next) = page["next"].as_str() else { break };
            from = format!("&from={next}");
        }
        assert_eq!(seen, ids);
        for _ in 0..2 {
            desk.delete(&format!("/sessions/{}", ids[0])).await.expect(StatusCode::ACCEPTED);
        }
        assert!(!is_there(&desk, &ids[0]).await);
        assert_eq!(sessions(&desk, &away.user_id).await.len(), 4);
        desk.delete(&format!("/users/{}/sessions", away.user_id)).await.expect(StatusCode::ACCEPTED);
        assert!(sessions(&desk, &away.user_id).await.is_empty());
        assert!(is_there(&desk, &others).await);
        for path in ["/users/auth0%7Cunknown/sessions"] {
            desk.get(path).await.expect_problem(StatusCode::NOT_FOUND, "inexistent_user");
            desk.delete(path).await.expect_problem(StatusCode::NOT_FOUND, "inexistent_user");
        }
    }

    async fn revoking_a_session_ends_its_refresh_tokens_and_deleting_it_does_not(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let away = Away::new(world, json!({})).await;
        let deleted = sign_in(&node.app, &away.user_id, &[]).await;
        let revoked = sign_in(&node.app, &away.user_id, &[]).await;
        let (of_deleted, _) = tokens_of(node, &away, &deleted).await;
        let (of_revoked, access) = tokens_of(node, &away, &revoked).await;
        desk.delete(&format!("/sessions/{deleted}")).await.expect(StatusCode::ACCEPTED);
        away.next(node, &of_deleted).await;
        let path = format!("/sessions/{revoked}/revoke");
        for one in BOTH {
            let answer = Desk::with_scopes(node, &[one]).await.post(&path, json!({})).await;
            lacks(answer, &BOTH);
        }
        Desk::with_scopes(node, &BOTH).await.post(&path, json!({})).await.expect(StatusCode::ACCEPTED);
        assert!(!is_there(&desk, &revoked).await);
        away.is_refused(node, &of_revoked).await;
        assert!(!node.is_active(&away.app, &access).await);
        desk.post(&path, json!({})).await.expect_problem(StatusCode::NOT_FOUND, "inexistent_session");
    }

    async fn an_administrator_signs_a_user_out_everywhere_or_somewhere(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let away = Away::new(world, json!({})).await;
        let other = away.another(world, json!({})).await;
        let others = sign_in(&node.app, &other.user_id, &[]).await;
        let mut own = Vec::new();
        for _ in 0..3 {
            let id = sign_in(&node.app, &away.user_id, &[]).await;
            let tokens = tokens_of(node, &away, &id).await;
            own.push((id, tokens));
        }
        let [(kept, (of_kept, _)), (first, (of_first, _)), (last, (of_last, access))] = own.as_slice() else {
            panic!("three")
        };
        let path = format!("/users/{}/revoke-access", away.user_id);
        let keeping = json!({ "session_id": kept, "preserve_refresh_tokens": true });
        desk.post(&path, keeping).await.expect(StatusCode::ACCEPTED);
        assert!(!is_there(&desk, kept).await);
        let of_kept = away.next(node, of_kept).await;
        desk.post(&path, json!({ "session_id": first })).await.expect(StatusCode::ACCEPTED);
        away.is_refused(node, of_first).await;
        assert!(is_there(&desk, last).await);
        let foreign = desk.post(&path, json!({ "session_id": others })).await;
        foreign.expect_problem(StatusCode::NOT_FOUND, "inexistent_session");
        assert!(node.is_active(&away.app, access).await);

        let code_to_be = away.authorization(node, &[ORDERS]);
        desk.post(&path, json!({})).await.expect(StatusCode::ACCEPTED);
        assert!(sessions(&desk, &away.user_id).await.is_empty());
        for gone in [&of_kept, of_last] {
            away.is_refused(node, gone).await;
        }
        assert!(!node.is_active(&away.app, access).await);
        away.redeem(node, code_to_be).await.expect_error(StatusCode::BAD_REQUEST, "invalid_grant");
        assert!(is_there(&desk, &others).await);
        away.begin(node).await;
        let unknown = desk.post("/users/auth0%7Cunknown/revoke-access", json!({})).await;
        unknown.expect_problem(StatusCode::NOT_FOUND, "inexistent_user");
    }

    /// OpenID Connect Back-Channel Logout 1.0, with Auth0's initiators: who is told is told of this.
    async fn applications_are_to_be_told_of_sessions_that_an_administrator_ends(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let told = |initiators: Value| json!({ "oidc_logout": {
            "backchannel_logout_urls": ["https://app.example/told"],
            "backchannel_logout_initiators": { "mode": "custom", "selected_initiators": initiators },
        } });
        let away = Away::new(world, told(json!(["session-revoked", "account-deleted"]))).await;
        let other = away.another(world, told(json!(["account-deactivated"]))).await;
        let both = [away.app.id.as_str(), other.app.id.as_str()];
        let user = format!("/users/{}", away.user_id);
        let waiting = async |of: &Away| {
            let count = format!("select count(*) from logout_notices where client_id = '{}'", of.app.id);
            world.database.sql().await.number(&count).await
        };
        let id = sign_in(&node.app, &away.user_id, &both).await;
        desk.delete(&format!("/sessions/{id}")).await.expect(StatusCode::ACCEPTED);
        assert_eq!((waiting(&away).await, waiting(&other).await), (1, 0));
        let id = sign_in(&node.app, &away.user_id, &both).await;
        desk.post(&format!("/sessions/{id}/revoke"), json!({})).await.expect(StatusCode::ACCEPTED);
        sign_in(&node.app, &away.user_id, &both).await;
        desk.delete(&format!("{user}/sessions")).await.expect(StatusCode::ACCEPTED);
        sign_in(&node.app, &away.user_id, &both).await;
        desk.post(&format!("{user}/revoke-access"), json!({})).await.expect(StatusCode::ACCEPTED);
        assert_eq!((waiting(&away).await, waiting(&other).await), (4, 0));
        sign_in(&node.app, &away.user_id, &both).await;
        desk.patch(&user, json!({ "blocked": true })).await.expect(StatusCode::OK);
        assert_eq!((waiting(&away).await, waiting(&other).await), (4, 1));
        sign_in(&node.app, &away.user_id, &both).await;
        desk.delete(&user).await.expect(StatusCode::NO_CONTENT);
        assert_eq!((waiting(&away).await, waiting(&other).await), (5, 1));
    }

    /// Who is blocked, has another password or is deleted is out everywhere.
    async fn a_blocked_user_has_no_session_and_no_refresh_token(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let away = Away::new(world, json!({})).await;
        let id = sign_in(&node.app, &away.user_id, &[]).await;
        let (refresh, access) = tokens_of(node, &away, &id).await;
        let path = format!("/users/{}", away.user_id);
        desk.patch(&path, json!({ "blocked": true })).await.expect(StatusCode::OK);
        assert!(!is_there(&desk, &id).await);
        away.is_refused(node, &refresh).await;
        assert!(!node.is_active(&away.app, &access).await);
        desk.patch(&path, json!({ "blocked": false })).await.expect(StatusCode::OK);
        away.is_refused(node, &refresh).await;
        assert!(!is_there(&desk, &id).await);
    }
}
