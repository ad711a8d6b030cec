//! The audit's table: records with a number that is given in commit order, and their search.

use serde_json::{Map, Value};
use sqlx::FromRow;

use super::{Conn, Write, execute, execute_rows, rows_text, run};
use crate::model::fault::Fault;
use crate::model::record::Record;

/// Most tests of one search.
pub const TESTS_MAX: usize = 8;
/// A writer that has written nothing for so long has ended.
const WRITER_KEPT_SECONDS: i64 = 86_400;
/// Rows that one statement inserts; a smaller rest goes by halves, so that few texts are prepared.
const ROWS_AT_ONCE: usize = 64;

/// A record with its number.
#[derive(Clone, Debug, PartialEq)]
pub struct Logged {
    /// Its place in the order of commits. About the microsecond of its writing.
    pub n: i64,
    /// What it says.
    pub record: Record,
}

macro_rules! columns {
    () => {
        "n, date_ms, type, client_id, client_name, user_id, ip, user_agent, audience, scope,
         correlation_id, description, details"
    };
}

#[derive(FromRow)]
struct RecordRow {
    n: i64,
    date_ms: i64,
    #[sqlx(rename = "type")]
    kind: String,
    client_id: Option<String>,
    client_name: Option<String>,
    user_id: Option<String>,
    ip: Option<String>,
    user_agent: Option<String>,
    audience: Option<String>,
    scope: Option<String>,
    correlation_id: Option<String>,
    description: Option<String>,
    details: String,
}

impl RecordRow {
    fn into_logged(self) -> Result<Logged, Fault> {
        let details: Map<String, Value> = super::parse_json(&self.details)?;
        Ok(Logged {
            n: self.n,
            record: Record {
                kind: self.kind,
                date_ms: self.date_ms,
                client_id: self.client_id,
                client_name: self.client_name,
                user_id: self.user_id,
                ip: self.ip,
                user_agent: self.user_agent,
                audience: self.audience,
                scope: self.scope,
                correlation_id: self.correlation_id,
                description: self.description,
                details,
            },
        })
    }
}

/// Appends records. Their numbers come from a counter whose row stays locked until the commit: the
/// order of numbers is the order of commits, so whoever goes on from a number misses nothing. It is
/// at least the unix time in microseconds, so that none is given twice after a restore.
pub(super) async fn append(tx: &mut Write, records: &[Record]) -> Result<(), Fault> {
    let Some(newest) = records.iter().map(|record| record.date_ms).max() else {
        return Ok(());
    };
    let count = i64::try_from(records.len()).map_err(Fault::internal)?;
    let (last,) = run!(
        fetch_one,
        tx,
        (i64,),
        "update audit_counter set n = (case when n < $1 then $1 else n end) + $2
          where id = 1 returning n",
        newest.saturating_mul(1000),
        count
    )?;
    let mut rows = Vec::with_capacity(records.len());
    for (n, record) in (last - count + 1..).zip(records) {
        rows.push((n, record, super::to_json(&record.details)?, record.words()));
    }
    let mut rest = rows.as_slice();
    let mut at_once = ROWS_AT_ONCE;
    while !rest.is_empty() {
        while at_once > rest.len() {
            at_once /= 2;
        }
        let (now, later) = rest.split_at(at_once);
        insert(tx, now).await?;
        rest = later;
    }
    Ok(())
}

async fn insert(tx: &mut Write, rows: &[(i64, &Record, String, String)]) -> Result<u64, Fault> {
    let text = rows_text(
        concat!("insert into audit (", columns!(), ", words) values "),
        14,
        rows.len(),
        "",
    );
    execute_rows!(
        tx,
        text,
        rows,
        |(n, record, details, words)| n,
        record.date_ms,
        &record.kind,
        &record.client_id,
        &record.client_name,
        &record.user_id,
        &record.ip,
        &record.user_agent,
        &record.audience,
        &record.scope,
        &record.correlation_id,
        &record.description,
        details,
        words
    )
}

/// Takes a writer's batch: false where it was written already. In the batch's own transaction, so
/// that one whose outcome was unknown can be sent again.
///
/// # Errors
/// A fault of the store.
pub async fn begin_batch(
    tx: &mut Write,
    writer: &str,
    batch: i64,
    now: i64,
) -> Result<bool, Fault> {
    let changed = execute!(
        tx,
        "insert into audit_writers (id, batch, written_at) values ($1, $2, $3)
         on conflict (id) do update set batch = excluded.batch, written_at = excluded.written_at
          where audit_writers.batch < excluded.batch",
        writer,
        batch,
        now
    )?;
    Ok(changed == 1)
}

/// The record of a number.
///
/// # Errors
/// A fault of the store.
pub async fn get(conn: &mut Conn, n: i64) -> Result<Option<Logged>, Fault> {
    let row = run!(
        fetch_optional,
        conn,
        RecordRow,
        concat!("select ", columns!(), " from audit where n = $1"),
        n
    )?;
    row.map(RecordRow::into_logged).transpose()
}

/// Records behind a number, in the order in which they were committed.
///
/// # Errors
/// A fault of the store.
pub async fn behind(conn: &mut Conn, n: i64, rows_max: i64) -> Result<Vec<Logged>, Fault> {
    let rows = run!(
        fetch_all,
        conn,
        RecordRow,
        concat!(
            "select ",
            columns!(),
            " from audit where n > $1 order by n limit $2"
        ),
        n,
        rows_max
    )?;
    rows.into_iter().map(RecordRow::into_logged).collect()
}

/// One test of a search. Field and way are words of the statement's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Test {
    /// A column, or `words`.
    pub field: &'static str,
    /// How it is compared.
    pub way: Way,
    /// With what; for [`Way::Is`] the alternatives, each between line feeds.
    pub value: String,
    /// False: what does not pass is wanted.
    pub wanted: bool,
}

/// How a column is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It is one of the alternatives.
    Is,
    /// It begins with the value.
    Starts,
    /// It contains the value.
    Has,
    /// One of its words, between spaces, is the value.
    Word,
}

impl Way {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Is => "is",
            Self::Starts => "starts",
            Self::Has => "has",
            Self::Word => "word",
        }
    }
}

/// What is searched for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// All of them must pass; at most [`TESTS_MAX`] are looked at.
    pub tests: Vec<Test>,
    /// Unix milliseconds.
    pub from_ms: Option<i64>,
    /// Unix milliseconds, not included.
    pub until_ms: Option<i64>,
}

impl Search {
    /// The one application that is asked for, told apart because an index knows it.
    fn only_client(&self) -> Option<&str> {
        let is_one = |test: &&Test| {
            test.field == "client_id" && test.way == Way::Is && test.wanted && test.value != "\n\n"
        };
        let test = self.tests.iter().find(is_one)?;
        let only = test.value.strip_prefix('\n')?.strip_suffix('\n')?;
        (!only.contains('\n')).then_some(only)
    }

    fn test(&self, at: usize) -> (Option<&'static str>, &'static str, &str, bool) {
        match self.tests.get(at) {
            None => (None, "", "", true),
            Some(test) => (
                Some(test.field),
                test.way.as_str(),
                test.value.as_str(),
                test.wanted,
            ),
        }
    }
}

/// A test of field, way, value and what is wanted; a column that is unset is empty text.
macro_rules! test {
    ($field:literal, $way:literal, $value:literal, $wanted:literal) => {
        test!(@ $way, $value, $wanted, $field, concat!(
            "coalesce(case cast(", $field, " as text)
                when 'type' then type
                when 'client_id' then client_id
                when 'client_name' then client_name
                when 'user_id' then user_id
                when 'ip' then ip
                when 'user_agent' then user_agent
                when 'audience' then audience
                when 'scope' then scope
                when 'correlation_id' then correlation_id
                when 'description' then description
                when 'log_id' then cast(n as text)
                when 'words' then words end, '')"
        ))
    };
    (@ $way:literal, $value:literal, $wanted:literal, $field:literal, $column:expr) => {
        concat!(
            " and (cast(", $field, " as text) is null or (case cast(", $way, " as text)
                when 'is' then replace(cast(", $value, " as text), '\n' || ", $column, " || '\n', '') <> cast(", $value, " as text)
                when 'starts' then substr(", $column, ", 1, length(cast(", $value, " as text))) = cast(", $value, " as text)
                when 'has' then replace(", $column, ", cast(", $value, " as text), '') <> ", $column, "
                else replace(' ' || ", $column, " || ' ', ' ' || cast(", $value, " as text) || ' ', '')
                       <> ' ' || ", $column, " || ' ' end) = ", $wanted, ")"
        )
    };
}

macro_rules! matching {
    ($head:expr, $tail:literal) => {
        concat!(
            $head,
            " where (cast($35 as text) is null or client_id = $35)
                and (cast($1 as bigint) is null or date_ms >= $1)
                and (cast($2 as bigint) is null or date_ms < $2)",
            test!("$3", "$4", "$5", "$6"),
            test!("$7", "$8", "$9", "$10"),
            test!("$11", "$12", "$13", "$14"),
            test!("$15", "$16", "$17", "$18"),
            test!("$19", "$20", "$21", "$22"),
            test!("$23", "$24", "$25", "$26"),
            test!("$27", "$28", "$29", "$30"),
            test!("$31", "$32", "$33", "$34"),
            $tail
        )
    };
}

/// Runs a statement of `matching!` with the search and what its tail wants.
macro_rules! search {
    ($fetch:ident, $conn:expr, $row:ty, $search:expr, $sql:expr $(, $value:expr)*) => {{
        let search: &Search = $search;
        let (a, b, c, d) = (search.test(0), search.test(1), search.test(2), search.test(3));
        let (e, f, g, h) = (search.test(4), search.test(5), search.test(6), search.test(7));
        run!(
            $fetch, $conn, $row, $sql, search.from_ms, search.until_ms,
            a.0, a.1, a.2, a.3, b.0, b.1, b.2, b.3, c.0, c.1, c.2, c.3, d.0, d.1, d.2, d.3,
            e.0, e.1, e.2, e.3, f.0, f.1, f.2, f.3, g.0, g.1, g.2, g.3, h.0, h.1, h.2, h.3,
            search.only_client() $(, $value)*
        )
    }};
}

/// A page of what a search finds, by date and then number; newest first unless `oldest_first`.
///
/// # Errors
/// A fault of the store.
pub async fn list(
    conn: &mut Conn,
    search: &Search,
    oldest_first: bool,
    (offset, rows_max): (i64, i64),
) -> Result<Vec<Logged>, Fault> {
    let rows = if oldest_first {
        search!(
            fetch_all,
            conn,
            RecordRow,
            search,
            matching!(
                concat!("select ", columns!(), " from audit"),
                " order by date_ms, n limit $36 offset $37"
            ),
            rows_max,
            offset
        )
    } else {
        search!(
            fetch_all,
            conn,
            RecordRow,
            search,
            matching!(
                concat!("select ", columns!(), " from audit"),
                " order by date_ms desc, n desc limit $36 offset $37"
            ),
            rows_max,
            offset
        )
    };
    rows?.into_iter().map(RecordRow::into_logged).collect()
}

/// How many records a search finds; counting stops at `max`.
///
/// # Errors
/// A fault of the store.
pub async fn count(conn: &mut Conn, search: &Search, max: i64) -> Result<i64, Fault> {
    let (count,) = search!(
        fetch_one,
        conn,
        (i64,),
        search,
        matching!(
            "select count(*) from (select n from audit",
            " order by date_ms desc, n desc limit $36) found"
        ),
        max
    )?;
    Ok(count)
}

/// Sign-ins and sign-ups of one day: (days since 1970 in UTC, whether they are sign-ups, how many).
pub type SignInSum = (i64, bool, i64);

/// Sign-ins and sign-ups by day, from `from_ms` until just before `before_ms`.
///
/// # Errors
/// A fault of the store.
pub async fn sign_ins(
    conn: &mut Conn,
    from_ms: i64,
    before_ms: i64,
) -> Result<Vec<SignInSum>, Fault> {
    run!(
        fetch_all,
        conn,
        SignInSum,
        "select date_ms / 86400000, type = 'ss', count(*) from audit
          where type in ('s', 'ss') and date_ms >= $1 and date_ms < $2
          group by 1, 2",
        from_ms,
        before_ms
    )
}

/// When the newest record was made, unix milliseconds.
///
/// # Errors
/// A fault of the store.
pub async fn newest(conn: &mut Conn) -> Result<Option<i64>, Fault> {
    let row = run!(
        fetch_optional,
        conn,
        (i64,),
        "select date_ms from audit order by n desc limit 1"
    )?;
    Ok(row.map(|(date_ms,)| date_ms))
}

/// Removes up to `rows_max` records older than `before_ms`, and writers that have ended.
///
/// # Errors
/// A fault of the store.
pub async fn sweep(tx: &mut Write, before_ms: i64, now: i64, rows_max: i64) -> Result<u64, Fault> {
    let records = execute!(
        tx,
        "delete from audit where n in (
            select n from audit where date_ms < $1 order by date_ms, n limit $2)",
        before_ms,
        rows_max
    )?;
    let writers = execute!(
        tx,
        "delete from audit_writers where id in (
            select id from audit_writers where written_at < $1 limit $2)",
        now - WRITER_KEPT_SECONDS,
        rows_max
    )?;
    Ok(records + writers)
}
