//! `store::resource_servers`

use grantor::model::application::Application;
use grantor::store::{applications, resource_servers};

use super::{NOW, ODD, application, both_databases};

both_databases! {
    async fn the_resource_servers_of_apis_are_found_oldest_first(bench: Bench) {
        for (id, created_at, app_type, to) in [
            ("young", NOW, "resource_server", "https://x/"),
            ("old", NOW - 1, "resource_server", "https://x/"),
            ("other", NOW, "resource_server", "https://x/more"),
            ("none", NOW, "spa", "https://y/"),
        ] {
            let (app_type, to) = (Some(app_type.to_owned()), Some(to.to_owned()));
            bench.insert_application(&Application { created_at, app_type, resource_server_identifier: to, ..application(id) }).await;
        }
        let of = async |identifiers: &[&str]| {
            let mut conn = bench.store.read().await.unwrap();
            let pairs = resource_servers::of_apis(&mut conn, identifiers).await.unwrap();
            pairs.into_iter().map(|(to, id)| format!("{id} {to}")).collect::<Vec<_>>()
        };
        assert_eq!(of(&["https://y/", "https://x/"]).await, ["old https://x/", "young https://x/"]);
        assert_eq!(of(&["https://x/more"]).await, ["other https://x/more"]);
        assert_eq!(of(&["https://x", "", ODD]).await, [""; 0]);
        assert_eq!(of(&[]).await, [""; 0]);
    }

    async fn an_api_that_goes_is_taken_from_its_resource_servers(bench: Bench) {
        let linked = |id: &str, to: &str| Application {
            resource_server_identifier: Some(to.into()),
            ..application(id)
        };
        for own in [linked("b", "https://x/"), linked("a", "https://x/"), linked("c", "https://y/")] {
            bench.insert_application(&own).await;
        }
        let locked = bench.write(async |tx| resource_servers::lock(tx, "https://x/").await);
        assert_eq!(locked.await.unwrap(), ["a", "b"]);
        let unlink = async |id: &str, from: &str| {
            let unlinked = bench.write(async |tx| resource_servers::unlink(tx, id, from).await);
            unlinked.await.unwrap()
        };
        assert!(unlink("a", "https://x/").await && unlink("b", "https://x/").await);
        assert!(!unlink("b", "https://x/").await, "it is linked no more");
        assert!(!unlink("c", "https://x/").await, "it is linked to another");
        let mut conn = bench.store.read().await.unwrap();
        let mut left = Vec::new();
        for id in ["a", "b", "c"] {
            left.push(applications::get(&mut conn, id).await.unwrap().unwrap().resource_server_identifier);
        }
        assert_eq!(left, [None, None, Some("https://y/".to_owned())]);
    }
}
