//! How many tokens were issued: by day, application, API and rule.

use super::{Conn, Write, execute, execute_rows, rows_text, run};
use crate::model::fault::Fault;

/// Rows that one statement adds.
const ROWS_AT_ONCE: usize = 64;

/// Tokens of one day, application, API and rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count {
    /// YYYYMMDD, UTC.
    pub day: i64,
    /// The application.
    pub client_id: String,
    /// The API's identifier.
    pub audience: String,
    /// The rule that set the lifetime.
    pub rule: String,
    /// Tokens that are for this API.
    pub tokens: i64,
    /// Those of them in which it is named first: each token once.
    pub tokens_first: i64,
}

/// Adds counts. Each day, application, API and rule comes once and in order, so that two nodes'
/// batches cannot deadlock.
///
/// # Errors
/// A fault of the store.
pub async fn add(tx: &mut Write, counts: &[Count]) -> Result<(), Fault> {
    let mut rest = counts;
    let mut at_once = ROWS_AT_ONCE;
    while !rest.is_empty() {
        while at_once > rest.len() {
            at_once /= 2;
        }
        let (now, later) = rest.split_at(at_once);
        let text = rows_text(
            "insert into issuance_counts (day, client_id, audience, rule, tokens, tokens_first) values ",
            6,
            now.len(),
            " on conflict (day, client_id, audience, rule) do update
                set tokens = issuance_counts.tokens + excluded.tokens,
                    tokens_first = issuance_counts.tokens_first + excluded.tokens_first",
        );
        execute_rows!(
            tx,
            text,
            now,
            |count| count.day,
            &count.client_id,
            &count.audience,
            &count.rule,
            count.tokens,
            count.tokens_first
        )?;
        rest = later;
    }
    Ok(())
}

/// What is counted, and how finely.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// First day, YYYYMMDD.
    pub from_day: i64,
    /// Last day, YYYYMMDD.
    pub to_day: i64,
    /// Of one application.
    pub client_id: Option<String>,
    /// For one API.
    pub audience: Option<String>,
    /// By one rule.
    pub rule: Option<String>,
    /// Each application apart.
    pub by_client: bool,
    /// Each API apart.
    pub by_api: bool,
    /// Each rule apart.
    pub by_rule: bool,
}

/// A sum of a day; what is not told apart is empty.
pub type Sum = (String, String, String, i64, i64);

/// Sums as (application, API, rule, day, tokens), in this order, at most `rows_max`. Where APIs are neither
/// told apart nor chosen, a token for several of them counts once.
///
/// # Errors
/// A fault of the store.
pub async fn sums(conn: &mut Conn, question: &Question, rows_max: i64) -> Result<Vec<Sum>, Fault> {
    run!(
        fetch_all,
        conn,
        Sum,
        "select case when $6 then client_id else '' end,
                case when $7 then audience else '' end,
                case when $8 then rule else '' end,
                day,
                cast(sum(case when $9 then tokens else tokens_first end) as bigint)
           from issuance_counts
          where day >= $1 and day <= $2
            and (cast($3 as text) is null or client_id = $3)
            and (cast($4 as text) is null or audience = $4)
            and (cast($5 as text) is null or rule = $5)
          group by 1, 2, 3, 4
          order by 1, 2, 3, 4 limit $10",
        question.from_day,
        question.to_day,
        &question.client_id,
        &question.audience,
        &question.rule,
        question.by_client,
        question.by_api,
        question.by_rule,
        question.by_api || question.audience.is_some(),
        rows_max
    )
}

/// Removes up to `rows_max` counts of days before `before_day`.
///
/// # Errors
/// A fault of the store.
pub async fn sweep(tx: &mut Write, before_day: i64, rows_max: i64) -> Result<u64, Fault> {
    execute!(
        tx,
        "delete from issuance_counts where (day, client_id, audience, rule) in (
            select day, client_id, audience, rule from issuance_counts
             where day < $1 order by day limit $2)",
        before_day,
        rows_max
    )
}
