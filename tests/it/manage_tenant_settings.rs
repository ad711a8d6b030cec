//! `/api/v2/tenants/settings`: what holds for all applications and APIs.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::desk::{Desk, no_nulls, not_supported, refused};
use crate::harness::{Answer, MANAGEMENT, MFA, both_stores};
use crate::manage_rights::lacks;

const PATH: &str = "/tenants/settings";
const ORDERS: &str = "https://orders.example/";

async fn change(desk: &Desk<'_>, body: Value) -> Answer {
    desk.patch(PATH, body).await
}

async fn changed(desk: &Desk<'_>, body: Value) -> Value {
    change(desk, body).await.expect(StatusCode::OK).json
}

both_stores! {
    async fn a_new_tenant_shows_the_usual_defaults_and_omits_what_is_unset(world: World) {
        let desk = Desk::open(&world.node).await;
        let shown = desk.shown(PATH).await;
        no_nulls(&shown);
        assert_eq!(shown, json!({
            "device_flow": { "charset": "base20", "mask": "****-****" },
            "enabled_locales": ["en"],
            "ephemeral_session_lifetime": 72,
            "flags": {
                "allow_changing_enable_sso": false,
                "allow_front_channel_tokens": false,
                "allow_password_grant": false,
                "disable_clickjack_protection_headers": false,
                "disable_impersonation": true,
                "enable_dynamic_client_registration": false,
                "enable_sso": true,
                "revoke_refresh_token_grant": false,
            },
            "idle_ephemeral_session_lifetime": 24,
            "idle_session_lifetime": 72,
            "oidc_logout": { "rp_logout_end_session_endpoint_discovery": true },
            "pushed_authorization_requests_supported": true,
            "require_pkce": true,
            "resource_parameter_profile": "audience",
            "session_cookie": { "mode": "persistent" },
            "session_lifetime": 168,
        }));
    }

    /// Tools read, change one thing and write everything back.
    async fn what_is_shown_can_be_written_back_and_changes_nothing(world: World) {
        let desk = Desk::open(&world.node).await;
        desk.api(ORDERS, json!({})).await;
        for body in [
            json!({}),
            json!({ "friendly_name": "Orders & Co.", "default_audience": ORDERS, "session_lifetime_in_minutes": 90 }),
            json!({ "flags": { "enable_sso": false, "dashboard_insights_view": true }, "enabled_locales": ["de", "en"] }),
        ] {
            let shown = changed(&desk, body).await;
            assert_eq!(changed(&desk, shown.clone()).await, shown);
            assert_eq!(desk.shown(PATH).await, shown);
        }
    }

    async fn every_field_that_is_kept_comes_back_and_can_be_cleared(world: World) {
        let desk = Desk::open(&world.node).await;
        let fresh = desk.shown(PATH).await;
        for (body, cleared_by) in [
            (json!({ "friendly_name": "My Company" }), json!("")),
            (json!({ "picture_url": "https://example.com/logo.png" }), json!("")),
            (json!({ "support_email": "support@example.com" }), json!("")),
            (json!({ "support_url": "https://example.com/support" }), json!("")),
            (json!({ "default_redirection_uri": "https://example.com/login" }), json!("")),
            (json!({ "default_directory": "Username-Password-Authentication" }), json!("")),
            (json!({ "allowed_logout_urls": ["https://example.com/out", "https://{organization_name}.example.com/"] }), json!([])),
            (json!({ "sandbox_version": "22" }), json!("")),
            (json!({ "legacy_sandbox_version": "18" }), json!("")),
            (json!({ "device_flow": { "charset": "digits", "mask": "***-***-***" } }), Value::Null),
            (json!({ "session_cookie": { "mode": "non-persistent" } }), Value::Null),
            (json!({ "sessions": { "oidc_logout_prompt_enabled": false } }), Value::Null),
            (json!({ "default_token_quota": { "clients": { "client_credentials": { "enforce": false, "per_day": 10 } } } }), Value::Null),
            (json!({ "change_password": { "enabled": false, "html": "<p>later</p>" } }), Value::Null),
            (json!({ "guardian_mfa_page": { "enabled": false, "html": "<p>later</p>" } }), Value::Null),
            (json!({ "enabled_locales": ["de", "pt-BR"] }), json!(["en"])),
            (json!({ "resource_parameter_profile": "compatibility" }), json!("audience")),
        ] {
            let name = body.as_object().unwrap().keys().next().unwrap().clone();
            let shown = changed(&desk, body.clone()).await;
            assert_eq!(shown[&name], body[&name], "{name}");
            assert_eq!(desk.shown(PATH).await, shown, "{name}");
            let cleared = changed(&desk, json!({ name.clone(): cleared_by })).await;
            assert_eq!(cleared, fresh, "{name} cleared by {cleared_by}");
        }
    }

    async fn a_field_without_an_empty_value_comes_back_too(world: World) {
        let desk = Desk::open(&world.node).await;
        for body in [
            json!({ "enable_ai_guide": true }),
            json!({ "phone_consolidated_experience": true }),
            json!({ "dynamic_client_registration_security_mode": "strict" }),
        ] {
            let (name, value) = body.as_object().unwrap().iter().next().unwrap();
            assert_eq!(&changed(&desk, body.clone()).await[name], value);
            refused(change(&desk, json!({ name: null })).await, name);
        }
    }

    async fn flags_are_changed_one_by_one(world: World) {
        let desk = Desk::open(&world.node).await;
        changed(&desk, json!({ "flags": { "enable_sso": false } })).await;
        let shown = changed(&desk, json!({ "flags": { "dashboard_insights_view": true } })).await;
        assert_eq!((&shown["flags"]["enable_sso"], &shown["flags"]["dashboard_insights_view"]), (&json!(false), &json!(true)));
        for wrong in [json!({ "enable_sso": "yes" }), json!({ "enable_sso": null }), json!({ "unknown_flag": true }), json!(null), json!([])] {
            change(&desk, json!({ "flags": wrong })).await.expect_problem(StatusCode::BAD_REQUEST, "invalid_body");
        }
        assert_eq!(desk.shown(PATH).await, shown);
    }

    async fn session_lifetimes_are_written_in_hours_or_minutes(world: World) {
        let desk = Desk::open(&world.node).await;
        for (hours, name, max) in [
            ("session_lifetime", "session_lifetime_in_minutes", 8760),
            ("idle_session_lifetime", "idle_session_lifetime_in_minutes", 2400),
            ("ephemeral_session_lifetime", "ephemeral_session_lifetime_in_minutes", 8760),
            ("idle_ephemeral_session_lifetime", "idle_ephemeral_session_lifetime_in_minutes", 2400),
        ] {
            for (body, shown) in [
                (json!({ hours: 1 }), json!(1)),
                (json!({ hours: max }), json!(max)),
                (json!({ name: 1 }), json!(1.0 / 60.0)),
                (json!({ name: 90 }), json!(1.5)),
                (json!({ name: 120 }), json!(2)),
                (json!({ name: max * 60 }), json!(max)),
            ] {
                let answer = changed(&desk, body.clone()).await;
                assert_eq!(answer[hours], shown, "{body}");
                assert!(answer.get(name).is_none(), "shown in hours");
                // What is shown can be written back.
                assert_eq!(changed(&desk, json!({ hours: shown })).await[hours], shown);
            }
            for (field, value) in [
                (hours, json!(0)), (hours, json!(-1)), (hours, json!(max + 1)),
                (name, json!(0)), (name, json!(max * 60 + 1)), (name, json!(1.5)), (hours, json!("many")),
            ] {
                refused(change(&desk, json!({ field: value })).await, field);
            }
            change(&desk, json!({ hours: 2, name: 120 })).await
                .expect_problem(StatusCode::BAD_REQUEST, "invalid_body");
        }
    }

    async fn values_out_of_bounds_are_refused_by_name_and_nothing_is_changed(world: World) {
        let desk = Desk::open(&world.node).await;
        let before = desk.shown(PATH).await;
        for (name, value) in [
            ("friendly_name", json!(1)),
            ("friendly_name", json!("a".repeat(10_000))),
            ("picture_url", json!("no url")),
            ("picture_url", json!("javascript:alert(1)")),
            ("support_email", json!("no address")),
            ("support_url", json!("ftp//nothing")),
            ("default_redirection_uri", json!("http://example.com/")),
            ("allowed_logout_urls", json!("https://example.com/")),
            ("allowed_logout_urls", json!(vec!["https://example.com/"; 2])),
            ("allowed_logout_urls", json!(["file:///etc/passwd"])),
            ("allowed_logout_urls", json!(["javascript://example.com/%0Aalert(1)"])),
            ("enabled_locales", json!(["tlh"])),
            ("enabled_locales", json!([])),
            ("sandbox_version", json!("123456789")),
            ("device_flow.charset", json!({ "charset": "base32" })),
            ("device_flow.mask", json!({ "mask": "*".repeat(21) })),
            ("device_flow.mask", json!({ "mask": "abcd" })),
            ("session_cookie.mode", json!({ "mode": "forever" })),
            ("default_audience", json!(["urn:a"])),
            ("resource_parameter_profile", json!("both")),
        ] {
            let field = name.split('.').next().unwrap();
            refused(change(&desk, json!({ "friendly_name": "Changed", field: value })).await, name);
        }
        for body in [json!({ "unknown": true }), json!({ "sandbox_versions_available": ["22"] })] {
            change(&desk, body).await.expect_problem(StatusCode::BAD_REQUEST, "invalid_body");
        }
        assert_eq!(desk.shown(PATH).await, before);
    }

    /// Nobody believes in a protection that is not there (compatibility.md §6).
    async fn what_has_no_effect_yet_cannot_be_switched_on_and_can_be_off(world: World) {
        let desk = Desk::open(&world.node).await;
        let before = desk.shown(PATH).await;
        for flag in [
            "enable_dynamic_client_registration", "allow_legacy_ro_grant_types", "remove_alg_from_jwks",
            "enforce_client_authentication_on_passwordless_start", "no_disclose_enterprise_connections",
            "improved_signup_bot_detection_in_classic", "disable_clickjack_protection_headers",
        ] {
            let on = change(&desk, json!({ "flags": { flag: true } })).await;
            not_supported(on, &format!("flags.{flag}"));
            changed(&desk, json!({ "flags": { flag: false } })).await;
        }
        for (name, on, off) in [
            ("authorization_response_iss_parameter_supported", json!(true), json!(null)),
            ("customize_mfa_in_postlogin_action", json!(true), json!(null)),
            ("allow_organization_name_in_authentication_api", json!(true), json!(false)),
            ("client_id_metadata_document_supported", json!(true), json!(false)),
            ("acr_values_supported", json!(["urn:acr"]), json!([])),
        ] {
            not_supported(change(&desk, json!({ name: on })).await, name);
            changed(&desk, json!({ name: off })).await;
        }
        for (name, body) in [
            ("mtls.enable_endpoint_aliases", json!({ "mtls": { "enable_endpoint_aliases": true } })),
            ("change_password.enabled", json!({ "change_password": { "enabled": true, "html": "<p>" } })),
            ("guardian_mfa_page.enabled", json!({ "guardian_mfa_page": { "enabled": true } })),
            ("error_page.url", json!({ "error_page": { "url": "https://example.com/error" } })),
            ("error_page.html", json!({ "error_page": { "html": "<p>" } })),
            ("default_token_quota.clients.client_credentials", json!({ "default_token_quota": { "clients": { "client_credentials": { "enforce": true, "per_hour": 1 } } } })),
            ("default_token_quota.organizations.client_credentials", json!({ "default_token_quota": { "organizations": { "client_credentials": { "per_hour": 1 } } } })),
        ] {
            not_supported(change(&desk, body).await, name);
        }
        for body in [json!({ "mtls": null }), json!({ "error_page": null }), json!({ "error_page": { "html": "", "show_log_link": false, "url": "" } })] {
            changed(&desk, body).await;
        }
        let after = desk.shown(PATH).await;
        for name in ["allow_front_channel_tokens", "allow_password_grant"] {
            assert_eq!(after["flags"][name], before["flags"][name]);
        }
    }

    async fn a_form_says_the_same_and_of_two_administrators_one_is_told(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        let form = [
            ("friendly_name", "Orders & Co."), ("flags[enable_sso]", "false"), ("session_lifetime", "1.5"),
            ("enabled_locales", "de"), ("device_flow[charset]", "digits"),
        ];
        let path = format!("/api/v2{PATH}");
        let request = || node.request(Method::PATCH, &path);
        let token = node.admin_token().await;
        let sent = node.send(request().bearer_auth(&token).form(&form)).await.expect(StatusCode::OK);
        assert_eq!(sent.json["friendly_name"], "Orders & Co.");
        assert_eq!(sent.json["flags"]["enable_sso"], false);
        assert_eq!(sent.json["session_lifetime"], 1.5);
        assert_eq!(sent.json["enabled_locales"], json!(["de"]));
        assert_eq!(sent.json["device_flow"], json!({ "charset": "digits", "mask": "****-****" }));
        let selected = desk.get(&format!("{PATH}?fields=friendly_name")).await;
        let read = selected.headers["etag"].clone();
        let rename = async |name: &str| {
            let request = request().bearer_auth(&token).header("if-match", &read);
            node.send(request.json(&json!({ "friendly_name": name }))).await
        };
        rename("First").await.expect(StatusCode::OK);
        rename("Second").await.expect(StatusCode::PRECONDITION_FAILED);
        assert_eq!(desk.shown(PATH).await["friendly_name"], "First");
    }

    async fn fields_are_selected(world: World) {
        let desk = Desk::open(&world.node).await;
        let one = desk.shown(&format!("{PATH}?fields=session_lifetime,flags")).await;
        assert_eq!(crate::desk::members(&one), ["flags", "session_lifetime"]);
        let rest = desk.shown(&format!("{PATH}?fields=flags&include_fields=false")).await;
        assert!(rest.get("flags").is_none() && rest.get("session_lifetime").is_some());
        for query in ["?fields=a;b", "?include_fields=1", "?page=0"] {
            desk.get(&format!("{PATH}{query}")).await.expect_problem(StatusCode::BAD_REQUEST, "invalid_query_string");
        }
    }

    async fn settings_need_their_own_scopes(world: World) {
        let node = &world.node;
        let clerk = Desk::with_scopes(node, &["read:resource_servers", "update:resource_servers", "read:tenant_settings"]).await;
        clerk.get(PATH).await.expect(StatusCode::OK);
        lacks(change(&clerk, json!({ "friendly_name": "Mine" })).await, &["update:tenant_settings"]);
        let clerk = Desk::with_scopes(node, &["update:tenant_settings"]).await;
        lacks(clerk.get(PATH).await, &["read:tenant_settings"]);
        changed(&clerk, json!({ "friendly_name": "Ours" })).await;
    }

    async fn the_default_audience_is_an_api_that_is_there_and_no_system_api(world: World) {
        let desk = Desk::open(&world.node).await;
        desk.api(ORDERS, json!({})).await;
        for wrong in [MANAGEMENT, MANAGEMENT.trim_end_matches('/'), MFA, MFA.trim_end_matches('/'), "urn:unknown", "https://orders.example"] {
            refused(change(&desk, json!({ "default_audience": wrong })).await, "default_audience");
        }
        assert_eq!(changed(&desk, json!({ "default_audience": ORDERS })).await["default_audience"], ORDERS);
        for clear in [json!(""), json!(null)] {
            changed(&desk, json!({ "default_audience": ORDERS })).await;
            let cleared = changed(&desk, json!({ "default_audience": clear })).await;
            assert!(cleared.get("default_audience").is_none(), "{cleared}");
        }
    }

    async fn changes_at_the_same_time_on_two_nodes_are_all_kept(world: World) {
        let (here, there) = (&world.node, &world.another_node().await);
        let names = ["enable_apis_section", "dashboard_log_streams_next", "dashboard_insights_view", "genai_trial",
            "enable_client_connections", "enable_pipeline2", "disable_fields_map_fix", "enable_sso"];
        let mut running = tokio::task::JoinSet::new();
        for (number, name) in names.into_iter().enumerate() {
            let node = if number % 2 == 0 { here } else { there };
            let (wire, token) = ((**node).clone(), node.admin_token().await);
            running.spawn(async move {
                let body = json!({ "flags": { name: number % 3 == 0 } });
                wire.manage_as(&token, Method::PATCH, PATH, Some(body)).await.expect(StatusCode::OK);
            });
        }
        while let Some(ended) = running.join_next().await {
            ended.unwrap();
        }
        let shown = Desk::open(here).await.shown(PATH).await;
        for (number, name) in names.into_iter().enumerate() {
            assert_eq!(shown["flags"][name], number % 3 == 0, "{name}: {shown}");
        }
        there.stop().await;
    }

    /// Neither waits for the other for ever, and no default is left that is no API.
    async fn an_api_that_goes_while_it_is_made_the_default_leaves_none(world: World) {
        let (here, there) = (&world.node, &world.another_node().await);
        let (desk, beside) = (Desk::open(here).await, Desk::open(there).await);
        for _ in 0..20 {
            desk.api(ORDERS, json!({})).await;
            let path = crate::harness::api_path(ORDERS);
            let (deleted, chosen) = tokio::join!(desk.delete(&path), change(&beside, json!({ "default_audience": ORDERS })));
            deleted.expect(StatusCode::NO_CONTENT);
            assert!(matches!(chosen.status, StatusCode::OK | StatusCode::BAD_REQUEST), "{chosen:?}");
            let left = desk.shown(PATH).await;
            assert!(left.get("default_audience").is_none(), "{left}");
        }
        there.stop().await;
    }
}
