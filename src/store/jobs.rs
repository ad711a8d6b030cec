//! Jobs of the Management API.

use sqlx::FromRow;

use super::{Conn, Write, execute, run};
use crate::model::fault::Fault;
use crate::model::job::{Job, JobKind};

#[derive(FromRow)]
struct JobRow {
    id: String,
    kind: String,
    status: String,
    external_id: Option<String>,
    upsert: bool,
    total: i64,
    inserted: i64,
    updated: i64,
    failed: i64,
    errors: String,
    created_at: i64,
    updated_at: i64,
}

impl JobRow {
    fn into_job(self) -> Result<Job, Fault> {
        let kind = [JobKind::UsersImport, JobKind::VerificationEmail]
            .into_iter()
            .find(|kind| kind.as_str() == self.kind)
            .ok_or_else(|| Fault::internal("a job of an unknown kind"))?;
        Ok(Job {
            id: self.id,
            kind,
            external_id: self.external_id,
            upsert: self.upsert,
            total: self.total,
            inserted: self.inserted,
            updated: self.updated,
            failed: self.failed,
            errors: super::parse_json(&self.errors)?,
            is_complete: self.status == "completed",
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

fn status(job: &Job) -> &'static str {
    if job.is_complete {
        "completed"
    } else {
        "processing"
    }
}

/// Stores a new job.
///
/// # Errors
/// A fault of the store.
pub async fn insert(tx: &mut Write, job: &Job) -> Result<(), Fault> {
    execute!(
        tx,
        "insert into jobs (id, kind, status, external_id, upsert, total, inserted, updated, failed,
             errors, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        &job.id,
        job.kind.as_str(),
        status(job),
        &job.external_id,
        job.upsert,
        job.total,
        job.inserted,
        job.updated,
        job.failed,
        super::to_json(&job.errors)?,
        job.created_at,
        job.updated_at
    )?;
    Ok(())
}

/// Writes how far a job is.
///
/// # Errors
/// A fault of the store.
pub async fn update(tx: &mut Write, job: &Job) -> Result<(), Fault> {
    execute!(
        tx,
        "update jobs set status = $2, inserted = $3, updated = $4, failed = $5, errors = $6,
             updated_at = $7
          where id = $1",
        &job.id,
        status(job),
        job.inserted,
        job.updated,
        job.failed,
        super::to_json(&job.errors)?,
        job.updated_at
    )?;
    Ok(())
}

/// The job of an id.
///
/// # Errors
/// A fault of the store.
pub async fn get(conn: &mut Conn, id: &str) -> Result<Option<Job>, Fault> {
    let row = run!(
        fetch_optional,
        conn,
        JobRow,
        "select id, kind, status, external_id, upsert, total, inserted, updated, failed, errors, created_at,
             updated_at
           from jobs where id = $1",
        id
    )?;
    row.map(JobRow::into_job).transpose()
}

/// Removes up to `rows_max` jobs that were made before an instant.
///
/// # Errors
/// A fault of the store.
pub async fn sweep(tx: &mut Write, before: i64, rows_max: i64) -> Result<u64, Fault> {
    execute!(
        tx,
        "delete from jobs where id in (
            select id from jobs where created_at < $1 order by created_at limit $2)",
        before,
        rows_max
    )
}
