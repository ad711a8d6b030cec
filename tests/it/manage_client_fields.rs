//! What is kept and shown of applications, APIs and client grants: round trips, what goes together
//! and what does not, merging, and who sees what (compatibility.md §1.2, §1.4 and §6).

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::desk::{Desk, members, no_nulls, not_supported, overlay, refused};
use crate::harness::{api_path, both_stores};
use crate::manage_clients::{CLIENTS, ORDERS, path};

/// Every field that is kept, each in a form that uses all of it.
fn everything() -> Value {
    let mut all = described();
    overlay(&mut all, tools());
    overlay(&mut all, sign_in());
    all
}

fn sign_in() -> Value {
    let logout = json!({
        "backchannel_logout_urls": ["https://app.example/out", "https://{organization.name}.app.example/"],
        "backchannel_logout_initiators": { "mode": "custom", "selected_initiators": ["rp-logout"] },
        "backchannel_logout_session_metadata": { "include": true },
    });
    json!({
        "callbacks": ["https://app.example/done", "com.example.app://done", "http://localhost:3000"],
        "allowed_logout_urls": ["https://app.example/#/out", "https://*.app.example.com"],
        "web_origins": ["https://app.example"],
        "allowed_origins": ["https://{organization_name}.app.example"],
        "initiate_login_uri": "https://app.example/login",
        "redirection_policy": "open_redirect_protection",
        "skip_non_verifiable_callback_uri_confirmation_prompt": true,
        "par_request_expiry": 10,
        "cross_origin_authentication": true,
        "cross_origin_loc": "https://app.example/cross",
        "oidc_logout": logout,
        "oidc_backchannel_logout": { "backchannel_logout_urls": [] },
        "session_transfer": {
            "can_create_session_transfer_token": true, "enforce_cascade_revocation": false,
            "allowed_authentication_methods": ["cookie", "query"], "enforce_device_binding": "asn",
            "allow_refresh_token": true, "enforce_online_refresh_tokens": false,
            "delegation": { "allow_delegated_access": true, "enforce_device_binding": "ip" }
        },
        "refresh_token": {
            "rotation_type": "rotating", "expiration_type": "expiring", "leeway": 30,
            "token_lifetime": 157_788_000, "infinite_token_lifetime": false,
            "idle_token_lifetime": 157_787_999, "infinite_idle_token_lifetime": false,
            "policies": [{ "audience": ORDERS, "scope": ["read"] }]
        },
        "require_pushed_authorization_requests": false,
        "require_proof_of_possession": false,
        "compliance_level": "none",
        "signed_request_object": { "required": false },
        "token_quota": { "client_credentials": { "enforce": false, "per_day": 1, "per_hour": 2_147_483_647 } },
    })
}

fn described() -> Value {
    json!({
        "description": "d".repeat(140),
        "logo_uri": "https://app.example/logo.png",
        "is_first_party": false,
        "oidc_conformant": true,
        "is_token_endpoint_ip_header_trusted": true,
        "sso": true,
        "sso_disabled": true,
        "custom_login_page_on": false,
        "custom_login_page": "<html>\n\t<body>ü</body>\r\n</html>",
        "custom_login_page_preview": "<p>",
        "form_template": "<form>",
        "client_aliases": ["an alias"],
        "allowed_clients": ["another"],
        "client_metadata": { "tier": "gold", "empty": "", "ü": "ö" },
        "addons": { "samlp": { "mappings": { "a": null, "b": [1, 2.5] } } },
        "mobile": { "ios": { "team_id": "T" } },
        "native_social_login": { "apple": { "enabled": true }, "google": { "enabled": false } },
        "jwt_configuration": {
            "lifetime_in_seconds": 60, "secret_encoded": true, "scopes": { "a": {} }, "alg": "PS256"
        },
        "encryption_key": { "pub": "-----BEGIN\nKEY-----", "cert": "", "subject": "CN=app" },
    })
}

fn tools() -> Value {
    json!({
        "third_party_security_mode": "strict",
        "organization_require_behavior": "no_prompt",
        "organization_discovery_methods": ["email"],
        "organization_usage": "deny",
        "async_approval_notification_channels": ["guardian-push", "email"],
        "express_configuration": {
            "initiate_login_uri_template": "https://app.example/{organization_name}",
            "user_attribute_profile_id": "uap_1", "connection_profile_id": "cop_1",
            "enable_client": true, "enable_organization": false,
            "linked_clients": [{ "client_id": "another" }],
            "okta_oin_client_id": "oin", "admin_login_domain": "app.example",
            "oin_submission_id": "1"
        },
        "my_organization_configuration": {
            "allowed_strategies": ["okta", "oidc"], "connection_deletion_behavior": "allow"
        },
    })
}

/// What a refresh token's object shows where only the two that are needed were set.
fn refresh_token(rotation: &str, expiration: &str, is_infinite: bool) -> Value {
    json!({
        "rotation_type": rotation,
        "expiration_type": expiration,
        "leeway": 0,
        "token_lifetime": 2_592_000,
        "infinite_token_lifetime": is_infinite,
        "idle_token_lifetime": 1_296_000,
        "infinite_idle_token_lifetime": is_infinite,
    })
}

both_stores! {
    async fn a_minimal_application_shows_auth0s_defaults_and_nothing_else(world: World) {
        let desk = Desk::open(&world.node).await;
        let created = desk
            .post(CLIENTS, json!({ "name": "Shop" }))
            .await
            .expect(StatusCode::CREATED);
        let expected = json!({
            "client_id": created.json["client_id"],
            "client_secret": created.json["client_secret"],
            "name": "Shop",
            "tenant": "grantor.test",
            "global": false,
            "is_first_party": true,
            "oidc_conformant": false,
            "grant_types": ["authorization_code", "implicit", "refresh_token", "client_credentials"],
            "jwt_configuration": { "secret_encoded": false, "lifetime_in_seconds": 36000 },
            "refresh_token": refresh_token("non-rotating", "expiring", false),
            "is_token_endpoint_ip_header_trusted": false,
            "sso_disabled": false,
            "cross_origin_authentication": false,
            "custom_login_page_on": true,
        });
        assert_eq!(created.json, expected);
    }

    async fn a_minimal_api_shows_auth0s_defaults_and_its_maximum_and_nothing_else(world: World) {
        let desk = Desk::open(&world.node).await;
        let created = desk.api(ORDERS, json!({ "name": "Orders" })).await;
        let expected = json!({
            "id": created["id"],
            "name": "Orders",
            "identifier": ORDERS,
            "allow_offline_access": false,
            "skip_consent_for_verifiable_first_party_clients": false,
            "subject_type_authorization": {
                "user": { "policy": "allow_all" },
                "client": { "policy": "require_client_grant" }
            },
            "token_lifetime": 86400,
            "token_lifetime_for_web": 7200,
            "max_token_lifetime": 2_592_000,
            "signing_alg": "RS256",
        });
        assert_eq!(created, expected);
    }

    async fn every_kept_field_is_shown_as_it_was_set_at_creation_and_in_a_change(world: World) {
        let desk = Desk::open(&world.node).await;
        let mut body = everything();
        body["name"] = "Shop".into();
        let created = desk.post(CLIENTS, body).await.expect(StatusCode::CREATED);
        let changed = desk.application(json!({})).await;
        desk.patch(&path(&changed), everything())
            .await
            .expect(StatusCode::OK);
        let created = format!("{CLIENTS}/{}", created.text("client_id"));
        for one in [created, path(&changed)] {
            let shown = desk.shown(&one).await;
            for (name, value) in everything().as_object().unwrap() {
                assert_eq!(&shown[name], value, "{name}");
            }
            let same = desk.patch(&one, json!({})).await.expect(StatusCode::OK);
            assert_eq!(same.json, shown, "an empty change changes nothing");
        }
    }

    async fn null_takes_a_kept_field_away(world: World) {
        let desk = Desk::open(&world.node).await;
        let shop = desk.application(json!({})).await;
        let before = desk.shown(&path(&shop)).await;
        let nullable = [
            "cross_origin_loc", "encryption_key", "express_configuration", "organization_usage",
            "my_organization_configuration", "organization_require_behavior", "refresh_token",
            "organization_discovery_methods", "async_approval_notification_channels",
            "skip_non_verifiable_callback_uri_confirmation_prompt", "par_request_expiry",
            "session_transfer", "compliance_level", "signed_request_object", "token_quota",
            "require_pushed_authorization_requests", "require_proof_of_possession",
        ];
        let all = everything();
        let some = |value: &dyn Fn(&str) -> Value| -> Value {
            let pairs = nullable.iter().map(|name| ((*name).to_owned(), value(name)));
            Value::Object(pairs.collect())
        };
        desk.patch(&path(&shop), some(&|name| all[name].clone()))
            .await
            .expect(StatusCode::OK);
        let cleared = desk.patch(&path(&shop), some(&|_| Value::Null)).await;
        assert_eq!(cleared.expect(StatusCode::OK).json, before);
        let within = json!({ "session_transfer": { "delegation": null, "allow_refresh_token": true } });
        let shown = desk.patch(&path(&shop), within).await.expect(StatusCode::OK);
        assert_eq!(shown.json["session_transfer"], json!({ "allow_refresh_token": true }));
        no_nulls(&shown.json);
    }

    async fn a_change_replaces_an_object_whole_and_metadata_name_by_name(world: World) {
        let desk = Desk::open(&world.node).await;
        let shop = desk.application(json!({
            "client_metadata": { "a": "1", "b": "2" },
            "jwt_configuration": { "alg": "RS256", "lifetime_in_seconds": 60 },
            "addons": { "samlp": {} },
        })).await;
        let change = json!({
            "client_metadata": { "b": null, "c": "3" },
            "jwt_configuration": { "secret_encoded": true },
            "addons": { "wsfed": {} },
        });
        let shown = desk.patch(&path(&shop), change).await.expect(StatusCode::OK).json;
        assert_eq!(shown["client_metadata"], json!({ "a": "1", "c": "3" }));
        assert_eq!(shown["addons"], json!({ "wsfed": {} }));
        let id_token = json!({ "secret_encoded": true, "lifetime_in_seconds": 36000 });
        assert_eq!(shown["jwt_configuration"], id_token);

        let names = |range: std::ops::Range<u8>| -> Value {
            Value::Object(range.map(|n| (format!("n{n}"), "x".into())).collect())
        };
        desk.patch(&path(&shop), json!({ "client_metadata": names(0..8) }))
            .await
            .expect(StatusCode::OK);
        let more = json!({ "client_metadata": names(8..9) });
        refused(desk.patch(&path(&shop), more).await, "client_metadata");
        let kept = &desk.shown(&path(&shop)).await["client_metadata"];
        assert_eq!(members(kept).len(), 10);
    }

    async fn what_refresh_tokens_are_told_must_go_together(world: World) {
        let desk = Desk::open(&world.node).await;
        let shop = desk.application(json!({})).await;
        let with = |more: Value| {
            let mut own = json!({ "rotation_type": "rotating", "expiration_type": "expiring" });
            overlay(&mut own, more);
            json!({ "refresh_token": own })
        };
        for (body, property) in [
            (json!({ "refresh_token": {} }), "refresh_token.rotation_type"),
            (
                json!({ "refresh_token": { "rotation_type": "rotating" } }),
                "refresh_token.expiration_type",
            ),
            (with(json!({ "expiration_type": "non-expiring" })), "refresh_token.expiration_type"),
            (with(json!({ "leeway": -1 })), "refresh_token.leeway"),
            (with(json!({ "token_lifetime": 0 })), "refresh_token.token_lifetime"),
            (with(json!({ "token_lifetime": 157_788_001 })), "refresh_token.token_lifetime"),
            (with(json!({ "idle_token_lifetime": 0 })), "refresh_token.idle_token_lifetime"),
            (
                with(json!({ "token_lifetime": 100, "idle_token_lifetime": 100 })),
                "refresh_token.idle_token_lifetime",
            ),
            (with(json!({ "idle_token_lifetime": 2_592_000 })), "refresh_token.idle_token_lifetime"),
            (with(json!({ "policies": [] })), "refresh_token.policies"),
            (with(json!({ "policies": [{ "scope": [] }] })), "refresh_token.policies[].audience"),
            (with(json!({ "rotation": "rotating" })), "refresh_token.rotation"),
        ] {
            refused(desk.patch(&path(&shop), body).await, property);
        }
        let set = async |more: Value| {
            let shown = desk.patch(&path(&shop), with(more)).await.expect(StatusCode::OK);
            shown.json["refresh_token"].clone()
        };
        assert_eq!(set(json!({})).await, refresh_token("rotating", "expiring", false));
        let still = json!({ "rotation_type": "non-rotating", "expiration_type": "non-expiring" });
        assert_eq!(set(still).await, refresh_token("non-rotating", "non-expiring", true));
        let short = set(json!({ "token_lifetime": "100" })).await;
        assert_eq!((&short["token_lifetime"], &short["idle_token_lifetime"]), (&json!(100), &json!(99)));
        let idle = json!({ "infinite_token_lifetime": true, "idle_token_lifetime": 9_000_000 });
        assert_eq!(set(idle).await["idle_token_lifetime"], 9_000_000);
        let reset = desk.patch(&path(&shop), json!({ "refresh_token": null })).await;
        assert_eq!(
            reset.expect(StatusCode::OK).json["refresh_token"],
            refresh_token("non-rotating", "expiring", false)
        );
    }

    async fn what_a_kept_field_does_not_take_is_named_and_changes_nothing(world: World) {
        let desk = Desk::open(&world.node).await;
        let shop = desk.application(json!({})).await;
        let before = desk.shown(&path(&shop)).await;
        for (field, value, property) in [
            ("description", json!("d".repeat(141)), "description"),
            ("logo_uri", json!("logo.png"), "logo_uri"),
            ("logo_uri", json!("javascript:alert(1)"), "logo_uri"),
            ("callbacks", json!(["https://app.example/#part"]), "callbacks"),
            ("callbacks", json!(["data:text/html,x"]), "callbacks"),
            ("callbacks", json!(["file:///etc/passwd"]), "callbacks"),
            ("callbacks", json!(["about:blank"]), "callbacks"),
            ("callbacks", json!(["view-source:https://app.example/"]), "callbacks"),
            ("allowed_logout_urls", json!(["file:///etc/passwd"]), "allowed_logout_urls"),
            ("web_origins", json!(["ws://app.example"]), "web_origins"),
            ("allowed_origins", json!(["filesystem:https://app.example/x"]), "allowed_origins"),
            ("callbacks", json!([""]), "callbacks"),
            ("callbacks", json!(vec!["https://a.example"; 2]), "callbacks"),
            ("callbacks", json!("https://a.example"), "callbacks"),
            ("web_origins", json!(["https://*.com"]), "web_origins"),
            ("allowed_logout_urls", json!(["/out"]), "allowed_logout_urls"),
            ("initiate_login_uri", json!("http://app.example"), "initiate_login_uri"),
            ("is_first_party", json!("yes"), "is_first_party"),
            ("par_request_expiry", json!(9), "par_request_expiry"),
            ("par_request_expiry", json!(601), "par_request_expiry"),
            ("client_metadata", json!({ "a": 1 }), "client_metadata.a"),
            ("client_metadata", json!({ "a": "x".repeat(256) }), "client_metadata.a"),
            ("client_metadata", json!([]), "client_metadata"),
            ("addons", json!({ "a": "x".repeat(20_001) }), "addons"),
            ("mobile", json!("ios"), "mobile"),
            ("native_social_login", json!({}), "native_social_login"),
            ("jwt_configuration", json!({ "lifetime_in_seconds": 0 }), "jwt_configuration.lifetime_in_seconds"),
            ("jwt_configuration", json!({ "alg": "none" }), "jwt_configuration.alg"),
            ("organization_discovery_methods", json!([]), "organization_discovery_methods"),
            ("session_transfer", json!({ "delegation": { "enforce_device_binding": "none" } }),
                "session_transfer.delegation.enforce_device_binding"),
            ("oidc_logout", json!({ "backchannel_logout_urls": ["http://a.example"] }),
                "oidc_logout.backchannel_logout_urls"),
            ("express_configuration", json!({ "enable_client": true }),
                "express_configuration.initiate_login_uri_template"),
        ] {
            let created = json!({ "name": "New", field: value });
            refused(desk.post(CLIENTS, created).await, property);
            let change = json!({ "is_first_party": false, "sso": true, field: value });
            refused(desk.patch(&path(&shop), change).await, property);
        }
        refused(desk.post(CLIENTS, json!({ "name": "New", "form_template": "" })).await, "form_template");
        let hs256 = json!({ "jwt_configuration": { "alg": "HS256" } });
        not_supported(desk.patch(&path(&shop), hs256).await, "jwt_configuration.alg");
        assert_eq!(desk.shown(&path(&shop)).await, before);
    }

    async fn a_description_has_an_end(world: World) {
        let desk = Desk::open(&world.node).await;
        let shop = desk.application(json!({})).await;
        // Four bytes each: a page within its characters fills the whole.
        let page = "\u{1f600}".repeat(49_990);
        let long = desk.patch(&path(&shop), json!({ "custom_login_page": page })).await;
        long.expect(StatusCode::OK);
        let longer = desk.patch(&path(&shop), json!({ "form_template": "x".repeat(50_000) })).await;
        longer.expect_problem(StatusCode::BAD_REQUEST, "invalid_body");
        let emptied = json!({ "custom_login_page": "", "form_template": "x".repeat(50_000) });
        let shown = desk.patch(&path(&shop), emptied).await.expect(StatusCode::OK);
        assert_eq!(shown.json["custom_login_page"], "");
    }

    async fn a_form_makes_an_application_too(world: World) {
        let node = &world.node;
        let request = node
            .request(Method::POST, "/api/v2/clients")
            .bearer_auth(node.admin_token().await)
            .form(&[
                ("name", "Shop"),
                ("is_first_party", "false"),
                ("callbacks[]", "https://app.example/a"),
                ("callbacks[]", "https://app.example/b"),
                ("jwt_configuration[lifetime_in_seconds]", "60"),
                ("jwt_configuration[secret_encoded]", "true"),
                ("refresh_token[rotation_type]", "rotating"),
                ("refresh_token[expiration_type]", "expiring"),
                ("refresh_token[policies][0][audience]", ORDERS),
                ("refresh_token[policies][0][scope][0]", "read"),
                ("client_metadata[tier]", "gold"),
                ("web_origins", "https://app.example"),
            ]);
        let created = node.send(request).await.expect(StatusCode::CREATED).json;
        assert_eq!(created["is_first_party"], false);
        assert_eq!(created["callbacks"], json!(["https://app.example/a", "https://app.example/b"]));
        let id_token = json!({ "lifetime_in_seconds": 60, "secret_encoded": true });
        assert_eq!(created["jwt_configuration"], id_token);
        assert_eq!(created["refresh_token"]["rotation_type"], "rotating");
        let policies = json!([{ "audience": ORDERS, "scope": ["read"] }]);
        assert_eq!(created["refresh_token"]["policies"], policies);
        assert_eq!(created["client_metadata"], json!({ "tier": "gold" }));
        assert_eq!(created["web_origins"], json!(["https://app.example"]));
    }

    async fn what_is_without_effect_is_kept_of_apis_and_client_grants(world: World) {
        let desk = Desk::open(&world.node).await;
        let fields = json!({
            "enforce_policies": false,
            "allow_online_access": false,
            "proof_of_possession": { "mechanism": "dpop", "required": false, "required_for": "all_clients" },
            "authorization_details": [],
            "consent_policy": null,
        });
        let created = desk.api(ORDERS, fields.clone()).await;
        no_nulls(&created);
        for (name, value) in fields.as_object().unwrap() {
            assert_eq!(&created[name], value, "{name}");
        }
        let change = json!({ "proof_of_possession": null, "name": "Orders" });
        let changed = desk.patch(&api_path(ORDERS), change).await.expect(StatusCode::OK).json;
        assert!(changed.get("proof_of_possession").is_none());
        assert_eq!(changed["enforce_policies"], false);
        let nameless = json!({ "proof_of_possession": { "required": false } });
        refused(desk.patch(&api_path(ORDERS), nameless).await, "proof_of_possession.mechanism");

        let shop = desk.application(json!({})).await;
        let kept = json!({
            "organization_usage": "deny",
            "allow_any_organization": false,
            "authorization_details_types": [],
        });
        let id = desk.grant(&shop, ORDERS, kept.clone()).await;
        let one = format!("/client-grants/{id}");
        let shown = desk.shown(&one).await;
        for (name, value) in kept.as_object().unwrap() {
            assert_eq!(&shown[name], value, "{name}");
        }
        let cleared = json!({ "organization_usage": null, "allow_any_organization": null });
        let cleared = desk.patch(&one, cleared).await.expect(StatusCode::OK).json;
        assert_eq!(
            members(&cleared),
            ["audience", "authorization_details_types", "client_id", "id", "scope", "subject_type"]
        );
    }
}
