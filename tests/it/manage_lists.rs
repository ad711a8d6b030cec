//! What all of the Management API has in common: pages, selections, and the shape of answers.

use std::collections::HashSet;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::desk::{Desk, members};
use crate::harness::{ADMIN_ID, Answer, MANAGEMENT, MFA, World, both_stores};

const LISTS: [(&str, &str); 3] = [
    ("/resource-servers", "resource_servers"),
    ("/clients", "clients"),
    ("/client-grants", "client_grants"),
];

/// Fills each list up to `count` items, all of them later than what is there from the start.
async fn fill(world: &World, desk: &Desk<'_>, count: usize) {
    world.clock.advance(1);
    // The Management API is there; the MFA API is not listed.
    for number in 1..count {
        add(desk, "/resource-servers", number).await;
    }
    for number in 1..count {
        let application = desk
            .application(json!({ "name": format!("Application {number}") }))
            .await;
        desk.grant(&application, MFA, json!({})).await;
    }
}

/// Adds an item to a list; its id.
async fn add(desk: &Desk<'_>, path: &str, number: usize) -> String {
    if path == "/resource-servers" {
        let created = desk.api(&format!("urn:api:{number}"), json!({})).await;
        return created["id"].as_str().unwrap().to_owned();
    }
    let application = desk.application(json!({})).await;
    if path == "/clients" {
        return application.id;
    }
    desk.grant(&application, MFA, json!({})).await
}

fn ids(items: &Value) -> Vec<String> {
    let id = |item: &Value| {
        item.get("client_id")
            .filter(|_| item.get("audience").is_none())
            .unwrap_or(&item["id"])
            .as_str()
            .unwrap()
            .to_owned()
    };
    items
        .as_array()
        .unwrap_or_else(|| panic!("a list: {items}"))
        .iter()
        .map(id)
        .collect()
}

#[track_caller]
pub(crate) fn bad_query(answer: Answer, parameter: &str) {
    let answer = answer.expect_problem(StatusCode::BAD_REQUEST, "invalid_query_string");
    let message = answer.text("message");
    assert!(message.starts_with("Query validation error: "), "{message}");
    assert!(
        message.contains(&format!("on property {parameter}.")),
        "names {parameter}: {message}"
    );
}

/// Reads a list by checkpoints to its end; `between` is done after each page.
async fn walk(
    desk: &Desk<'_>,
    (path, collection): (&str, &str),
    take: usize,
    between: impl AsyncFn(),
) -> Vec<String> {
    let mut seen = Vec::new();
    let mut query = format!("take={take}");
    for _ in 0..100 {
        let page = desk.shown(&format!("{path}?{query}")).await;
        let items = ids(&page[collection]);
        assert!(items.len() <= take);
        seen.extend(items);
        let Some(next) = page.get("next") else {
            assert_eq!(members(&page), [collection]);
            return seen;
        };
        assert_eq!(
            ids(&page[collection]).len(),
            take,
            "only the last page is short"
        );
        let next: String =
            url::form_urlencoded::byte_serialize(next.as_str().unwrap().as_bytes()).collect();
        query = format!("take={take}&from={next}");
        between().await;
    }
    panic!("the list does not end");
}

both_stores! {
    async fn a_page_is_a_bare_list_unless_totals_are_asked_for(world: World) {
        let desk = Desk::open(&world.node).await;
        fill(world, &desk, 7).await;
        for (path, collection) in LISTS {
            let all = desk.shown(path).await;
            assert_eq!(ids(&all).len(), 7, "{path}");
            let without = desk
                .shown(&format!("{path}?include_totals=false&page=0"))
                .await;
            assert_eq!(without, all);
            let with = desk.shown(&format!("{path}?include_totals=true")).await;
            assert_eq!(
                with,
                json!({ "total": 7, "start": 0, "limit": 50, collection: all })
            );
            let second = desk
                .shown(&format!("{path}?include_totals=true&per_page=3&page=1"))
                .await;
            let expected = &all.as_array().unwrap()[3..6];
            assert_eq!(
                second,
                json!({ "total": 7, "start": 3, "limit": 3, collection: expected })
            );
            let last = desk.shown(&format!("{path}?per_page=3&page=2")).await;
            assert_eq!(last, json!([all[6]]));
            assert_eq!(
                desk.shown(&format!("{path}?per_page=3&page=3")).await,
                json!([]),
                "past the end"
            );
            let past = desk
                .shown(&format!("{path}?per_page=3&page=1000&include_totals=true"))
                .await;
            assert_eq!(
                past,
                json!({ "total": 7, "start": 3000, "limit": 3, collection: [] })
            );
        }
    }

    async fn pages_show_each_item_once_oldest_first(world: World) {
        let desk = Desk::open(&world.node).await;
        fill(world, &desk, 11).await;
        for (path, _) in LISTS {
            let all = ids(&desk.shown(path).await);
            for per_page in [1, 2, 5, 10, 11] {
                let mut seen = Vec::new();
                for page in 0..12 {
                    seen.extend(ids(&desk
                        .shown(&format!("{path}?per_page={per_page}&page={page}"))
                        .await));
                }
                assert_eq!(seen, all, "{path} by {per_page}");
            }
            assert_eq!(all.iter().collect::<HashSet<_>>().len(), 11);
        }
    }

    async fn a_page_has_50_items_unless_asked_otherwise_and_at_most_100(world: World) {
        let desk = Desk::open(&world.node).await;
        fill(world, &desk, 102).await;
        for (path, collection) in LISTS {
            assert_eq!(ids(&desk.shown(path).await).len(), 50);
            assert_eq!(
                ids(&desk.shown(&format!("{path}?per_page=100")).await).len(),
                100
            );
            let page = desk
                .shown(&format!("{path}?per_page=100&page=1&include_totals=true"))
                .await;
            assert_eq!(
                (&page["total"], ids(&page[collection]).len()),
                (&json!(102), 2)
            );
        }
        for (path, collection) in &LISTS[1..] {
            assert_eq!(
                ids(&desk.shown(&format!("{path}?take=100")).await[*collection]).len(),
                100
            );
            let first = desk.shown(&format!("{path}?take=50")).await;
            let next = first["next"].as_str().unwrap();
            assert_eq!(
                ids(&desk.shown(&format!("{path}?from={next}")).await[*collection]).len(),
                50
            );
        }
    }

    async fn bounds_of_pages_are_refused_by_name(world: World) {
        let desk = Desk::open(&world.node).await;
        for (path, _) in LISTS {
            for (query, parameter) in [
                ("per_page=0", "per_page"),
                ("per_page=101", "per_page"),
                ("per_page=-1", "per_page"),
                ("per_page=", "per_page"),
                ("per_page=ten", "per_page"),
                ("per_page=1.5", "per_page"),
                ("per_page=9223372036854775808", "per_page"),
                ("per_page=5&per_page=6", "per_page"),
                ("page=-1", "page"),
                ("page=x", "page"),
                ("page=9223372036854775807", "page"),
                ("include_totals=yes", "include_totals"),
                ("include_totals=", "include_totals"),
                ("include_totals=True", "include_totals"),
            ] {
                bad_query(desk.get(&format!("{path}?{query}")).await, parameter);
            }
        }
        for (path, _) in &LISTS[1..] {
            for (query, parameter) in [
                ("take=0", "take"),
                ("take=101", "take"),
                ("take=x", "take"),
                ("from=&take=5", "from"),
                ("from=garbage", "from"),
                ("from=1", "from"),
                ("from=x.y", "from"),
                ("from=99999999999999999999.x", "from"),
                ("from=%00", "from"),
                ("take=5&from=1.a&from=1.b", "from"),
            ] {
                bad_query(desk.get(&format!("{path}?{query}")).await, parameter);
            }
        }
        for parameter in ["take=5", "from=1.a"] {
            let name = parameter.split('=').next().unwrap();
            bad_query(
                desk.get(&format!("/resource-servers?{parameter}")).await,
                name,
            );
        }
    }

    async fn an_unknown_parameter_is_refused_by_name(world: World) {
        let desk = Desk::open(&world.node).await;
        let client = format!("/clients/{ADMIN_ID}");
        let grant = desk.shown("/client-grants").await[0]["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let grant = format!("/client-grants/{grant}");
        for path in [
            "/resource-servers",
            "/clients",
            "/client-grants",
            "/resource-servers/unknown",
            &client,
            &grant,
            "/resource-servers/unknown/token-lifetime",
        ] {
            let path = path.replace("unknown", "https%3A%2F%2Fgrantor.test%2Fmfa%2F");
            for parameter in ["pagee", "identifer", "q2", "PAGE"] {
                bad_query(desk.get(&format!("{path}?{parameter}=1")).await, parameter);
            }
            desk.get(&format!("{path}?")).await.expect(StatusCode::OK);
        }
        let not_text = desk.get("/clients?fields=%FF").await;
        bad_query(not_text, "(any)");
    }

    async fn checkpoints_show_each_item_once(world: World) {
        let desk = Desk::open(&world.node).await;
        fill(world, &desk, 9).await;
        for list in &LISTS[1..] {
            let all = ids(&desk.shown(list.0).await);
            for take in [1, 2, 3, 8, 9, 10] {
                assert_eq!(
                    walk(&desk, *list, take, async || ()).await,
                    all,
                    "{} by {take}",
                    list.0
                );
            }
        }
    }

    async fn checkpoints_lose_and_double_nothing_while_items_are_added_and_removed(world: World) {
        let node = &world.node;
        let desk = Desk::open(node).await;
        fill(world, &desk, 8).await;
        for (path, collection) in &LISTS[1..] {
            let there = ids(&desk.shown(path).await);
            let (number, added) = (
                std::cell::Cell::new(1000),
                std::cell::RefCell::new(Vec::new()),
            );
            let seen = walk(&desk, (path, collection), 2, async || {
                if number.get() < 1004 {
                    number.set(number.get() + 1);
                    // Later than what is there, so that the new items come behind it.
                    world.clock.advance(1);
                    let id = add(&desk, path, number.get()).await;
                    added.borrow_mut().push(id);
                }
            })
            .await;
            let added = added.into_inner();
            assert_eq!(seen, [there.clone(), added].concat(), "{path}");

            // The item that a checkpoint stands on is removed: the rest still comes, once.
            let first = desk.shown(&format!("{path}?take=3")).await;
            let on_it = ids(&first[*collection])[2].clone();
            desk.delete(&format!("{path}/{on_it}"))
                .await
                .expect(StatusCode::NO_CONTENT);
            let next = first["next"].as_str().unwrap();
            let rest = desk.shown(&format!("{path}?take=100&from={next}")).await;
            assert_eq!(ids(&rest[*collection]), seen[3..], "{path}");
        }
    }

    /// New items of the same second may stand before the checkpoint or behind it.
    async fn checkpoints_lose_nothing_while_others_add_in_the_same_second(world: World) {
        let desk = Desk::open(&world.node).await;
        fill(world, &desk, 12).await;
        for (path, collection) in &LISTS[1..] {
            let there = ids(&desk.shown(path).await);
            let left = std::cell::Cell::new(8);
            let seen = walk(&desk, (path, collection), 3, async || {
                if left.replace(left.get() - 1) > 0 {
                    add(&desk, path, 0).await;
                }
            })
            .await;
            let once: HashSet<_> = seen.iter().cloned().collect();
            assert_eq!(once.len(), seen.len(), "{path}: nothing twice");
            assert!(
                there.iter().all(|id| once.contains(id)),
                "{path}: nothing lost"
            );
        }
    }

    /// SDKs send `include_totals=false` with their checkpoints.
    async fn checkpoints_bear_include_totals(world: World) {
        let desk = Desk::open(&world.node).await;
        for (path, collection) in &LISTS[1..] {
            for totals in ["true", "false"] {
                let page = desk
                    .shown(&format!("{path}?take=100&include_totals={totals}"))
                    .await;
                assert_eq!(members(&page), [*collection]);
            }
        }
    }

    async fn apis_are_found_by_their_identifiers(world: World) {
        let desk = Desk::open(&world.node).await;
        for identifier in ["urn:a", "urn:b", "https://c.example/"] {
            desk.api(identifier, json!({})).await;
        }
        let found = async |query: &str| {
            let listed = desk.shown(&format!("/resource-servers?{query}")).await;
            let mut found: Vec<_> = listed
                .as_array()
                .unwrap()
                .iter()
                .map(|api| api["identifier"].as_str().unwrap().to_owned())
                .collect();
            found.sort();
            found
        };
        assert_eq!(found("identifiers=urn:a").await, ["urn:a"]);
        assert_eq!(
            found("identifiers=urn:b&identifiers=urn:a").await,
            ["urn:a", "urn:b"]
        );
        assert_eq!(
            found("identifiers[]=https%3A%2F%2Fc.example%2F&identifiers[]=urn:b").await,
            ["https://c.example/", "urn:b"]
        );
        assert_eq!(found("identifiers%5B%5D=urn:a").await, ["urn:a"]);
        assert_eq!(
            found(&format!("identifiers={MANAGEMENT}&identifiers={MFA}")).await,
            [MANAGEMENT, MFA]
        );
        assert_eq!(
            found("per_page=100").await,
            ["https://c.example/", MANAGEMENT, "urn:a", "urn:b"],
            "the MFA API is shown to those who name it"
        );
        assert_eq!(found("identifiers=urn:unknown").await, [""; 0]);
        assert_eq!(
            found("identifiers=urn:unknown&identifiers=urn:a").await,
            ["urn:a"]
        );
        assert_eq!(
            found("identifiers=urn:a&identifiers=urn:a").await,
            ["urn:a"],
            "named twice, shown once"
        );
    }

    async fn apis_found_by_their_identifiers_are_paged_like_any_list(world: World) {
        let desk = Desk::open(&world.node).await;
        for identifier in ["urn:a", "urn:b", "urn:c"] {
            desk.api(identifier, json!({})).await;
        }
        let query = "identifiers=urn:a&identifiers=urn:b&identifiers=urn:c&per_page=2";
        let page = async |page: usize| {
            desk.shown(&format!(
                "/resource-servers?{query}&include_totals=true&page={page}"
            ))
            .await
        };
        let (first, second, third) = (page(0).await, page(1).await, page(2).await);
        for (number, page) in [&first, &second, &third].into_iter().enumerate() {
            assert_eq!(
                (&page["total"], &page["start"], &page["limit"]),
                (&json!(3), &json!(number * 2), &json!(2))
            );
        }
        let mut seen = [
            ids(&first["resource_servers"]),
            ids(&second["resource_servers"]),
        ]
        .concat();
        assert_eq!((ids(&first["resource_servers"]).len(), seen.len()), (2, 3));
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 3, "each once");
        assert_eq!(third["resource_servers"], json!([]), "past the end");
    }

    async fn applications_are_found_by_their_type(world: World) {
        let desk = Desk::open(&world.node).await;
        let spa = desk.application(json!({ "app_type": "spa" })).await.id;
        let native = desk.application(json!({ "app_type": "native" })).await.id;
        let machine = desk.application(json!({})).await.id;
        let found = async |query: &str| {
            let page = desk
                .shown(&format!("/clients?include_totals=true&{query}"))
                .await;
            let found = ids(&page["clients"]);
            assert_eq!(page["total"], found.len(), "{query}");
            found.into_iter().collect::<HashSet<_>>()
        };
        let set = |ids: &[&String]| ids.iter().map(|id| (*id).clone()).collect::<HashSet<_>>();
        assert_eq!(found("app_type=spa").await, set(&[&spa]));
        assert_eq!(
            found("app_type=native,spa").await,
            set(&[&spa, &native]),
            "a list with commas"
        );
        assert_eq!(found("app_type=spa,unknown").await, set(&[&spa]));
        for nothing in ["regular_web", "unknown", "SPA", "%25", "sp", ""] {
            assert_eq!(
                found(&format!("app_type={nothing}")).await,
                set(&[]),
                "{nothing}"
            );
        }
        assert!(
            found("is_first_party=true&is_global=false")
                .await
                .is_superset(&set(&[&spa, &native, &machine]))
        );
        assert_eq!(found("is_global=true").await, set(&[]));
        assert_eq!(found("is_global=true&is_first_party=true").await, set(&[]));
        assert_eq!(found("app_type=rms&is_global=false").await, set(&[]));
        assert_eq!(found("is_first_party=false").await, set(&[]));
    }
}
