//! `store::settings`

use grantor::model::settings::{InForce, Settings};
use grantor::store::{apis, settings};
use serde_json::json;

use super::{Bench, ODD, api, both_databases};

async fn get(bench: &Bench) -> Settings {
    settings::get(&mut bench.store.read().await.unwrap())
        .await
        .unwrap()
}

async fn in_force(bench: &Bench) -> InForce {
    settings::in_force(&mut bench.store.read().await.unwrap())
        .await
        .unwrap()
}

fn with_default(audience: Option<&str>) -> Settings {
    let fields =
        json!({ "friendly_name": ODD, "flags": { "enable_sso": true }, "deep": [null, 1.5] });
    Settings {
        default_audience: audience.map(str::to_owned),
        fields: fields.as_object().unwrap().clone(),
    }
}

both_databases! {
    async fn a_new_store_has_settings_in_which_nothing_is_set(bench: Bench) {
        assert_eq!(get(bench).await, Settings::default());
        assert_eq!(in_force(bench).await, InForce::default());
    }

    async fn settings_come_back_as_they_were_written(bench: Bench) {
        let orders = api("aaaaaaaaaaaaaaaaaaaaaaaa", "urn:orders");
        bench.insert_api(&orders).await;
        let written = with_default(Some("urn:orders"));
        let update = async |settings: &Settings, api_id: Option<&str>| {
            bench.write(async |tx| {
                settings::lock(tx).await?;
                settings::update(tx, settings, api_id).await
            }).await.unwrap();
        };
        update(&written, Some(&orders.id)).await;
        assert_eq!(get(bench).await, written);
        assert_eq!(in_force(bench).await.default_audience.as_deref(), Some("urn:orders"));
        update(&with_default(None), None).await;
        assert_eq!(get(bench).await, with_default(None));
        assert_eq!(in_force(bench).await, InForce::of(&with_default(None)));
    }

    /// Whether or not the deletion says so: a default is an API's, not an identifier's.
    async fn a_default_goes_with_its_api_and_does_not_come_back(bench: Bench) {
        let (orders, stock) = (api("aaaaaaaaaaaaaaaaaaaaaaaa", "urn:orders"), api("bbbbbbbbbbbbbbbbbbbbbbbb", "urn:stock"));
        for api in [&orders, &stock] {
            bench.insert_api(api).await;
        }
        let choose = async || {
            let settings = with_default(Some("urn:orders"));
            bench.write(async |tx| settings::update(tx, &settings, Some(&orders.id)).await).await.unwrap();
        };
        let clear = async |id: &str| bench.write(async |tx| settings::clear_default(tx, id).await).await.unwrap();
        choose().await;
        assert!(!clear(&stock.id).await);
        assert_eq!(in_force(bench).await.default_audience.as_deref(), Some("urn:orders"));
        assert!(clear(&orders.id).await);
        assert!(!clear(&orders.id).await);
        assert_eq!(get(bench).await, with_default(None));
        choose().await;
        assert!(bench.write(async |tx| apis::delete(tx, &orders.id).await).await.unwrap());
        assert_eq!(get(bench).await, with_default(None));
        bench.insert_api(&api("cccccccccccccccccccccccc", "urn:orders")).await;
        assert_eq!(in_force(bench).await, InForce::of(&with_default(None)));
    }
}
