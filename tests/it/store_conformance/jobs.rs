//! `store::jobs`

use grantor::model::job::{Job, JobKind, SILENT_SECONDS_MAX};
use grantor::store::jobs;
use serde_json::json;

use super::{NOW, ODD, both_databases};

fn job(id: &str) -> Job {
    Job::new(id.into(), JobKind::UsersImport, NOW)
}

both_databases! {
    async fn a_job_comes_back_as_it_was_written_last(bench: Bench) {
        let get = async |id: &str| jobs::get(&mut bench.store.read().await.unwrap(), id).await.unwrap();
        let begun = Job { external_id: Some(ODD.into()), upsert: true, total: i64::MAX, ..job("a") };
        bench.write(async |tx| jobs::insert(tx, &begun).await).await.unwrap();
        assert_eq!(get("a").await, Some(begun.clone()));
        assert_eq!(begun.status(NOW + SILENT_SECONDS_MAX), "processing");
        assert_eq!(begun.status(NOW + SILENT_SECONDS_MAX + 1), "failed");
        let ended = Job { inserted: 1, updated: 2, failed: 3, errors: vec![json!({ ODD: [ODD] })], is_complete: true, updated_at: NOW + 9, ..begun };
        bench.write(async |tx| jobs::update(tx, &ended).await).await.unwrap();
        assert_eq!(ended.status(i64::MAX), "completed");
        assert_eq!(get("a").await, Some(ended));
        let mail = Job::new("mail".into(), JobKind::VerificationEmail, NOW);
        bench.write(async |tx| jobs::insert(tx, &mail).await).await.unwrap();
        assert_eq!(get("mail").await, Some(mail));
        assert_eq!(get("b").await, None);
    }

    async fn old_jobs_go_in_batches(bench: Bench) {
        for (id, created_at) in [("a", NOW - 2), ("b", NOW - 1), ("c", NOW)] {
            let own = Job { created_at, ..job(id) };
            bench.write(async |tx| jobs::insert(tx, &own).await).await.unwrap();
        }
        let sweep = async |rows| bench.write(async |tx| jobs::sweep(tx, NOW, rows).await).await.unwrap();
        assert_eq!((sweep(1).await, sweep(9).await, sweep(9).await), (1, 1, 0));
        assert!(jobs::get(&mut bench.store.read().await.unwrap(), "c").await.unwrap().is_some());
    }
}
