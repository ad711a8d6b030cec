//! Lists of users: searched, sorted and paged.

use super::users::{UserRow, columns};
use super::{Conn, run};
use crate::model::fault::Fault;
use crate::model::user::User;

/// Most clauses of one search.
pub const CLAUSES_MAX: usize = 8;
/// Most alternatives of one clause.
pub const ALTERNATIVES_MAX: usize = 4;
/// Most ranges of one search.
pub const RANGES_MAX: usize = 4;

/// What is searched for: every clause and every range must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// At most [`CLAUSES_MAX`] are looked at.
    pub clauses: Vec<Clause>,
    /// At most [`RANGES_MAX`] are looked at.
    pub ranges: Vec<Range>,
}

/// Texts of which one must be in the user's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    /// At most [`ALTERNATIVES_MAX`] are looked at.
    pub any_of: Vec<String>,
    /// False: none of them may be there.
    pub wanted: bool,
}

/// Numbers between which a column must lie; one that is unset lies nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// The member.
    pub of: Number,
    /// The least.
    pub from: i64,
    /// Above the most.
    pub until: i64,
}

/// The members of a user that are numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// Unix seconds.
    CreatedAt,
    /// Unix seconds.
    UpdatedAt,
    /// Unix seconds.
    LastLogin,
    /// A count.
    LoginsCount,
}

impl Number {
    /// The member's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CreatedAt => "created_at",
            Self::UpdatedAt => "updated_at",
            Self::LastLogin => "last_login",
            Self::LoginsCount => "logins_count",
        }
    }
}

/// By what a list is sorted: a member's name, and then the age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    /// One of [`SORTS`].
    pub by: &'static str,
    /// The greatest first.
    pub is_descending: bool,
}

/// The members by which a list can be sorted; texts go by their code points or the database's own
/// order of texts.
pub const SORTS: [&str; 10] = [
    "created_at",
    "updated_at",
    "last_login",
    "logins_count",
    "email",
    "username",
    "name",
    "given_name",
    "family_name",
    "user_id",
];

/// Whether a text is in the words; one that is unset is not.
macro_rules! has {
    ($word:literal) => {
        concat!(
            "coalesce(replace(words, cast(",
            $word,
            " as text), '') <> words, false)"
        )
    };
}

/// The condition of a [`Clause`] with its alternatives and whether it is wanted.
macro_rules! clause {
    ($a:literal, $b:literal, $c:literal, $d:literal, $wanted:literal) => {
        concat!(
            " and (cast(",
            $a,
            " as text) is null or (",
            has!($a),
            " or ",
            has!($b),
            " or ",
            has!($c),
            " or ",
            has!($d),
            ") = ",
            $wanted,
            ")"
        )
    };
}

/// The condition of a [`Range`].
macro_rules! range {
    ($of:literal, $from:literal, $until:literal) => {
        concat!(
            " and (cast(",
            $of,
            " as text) is null or (case cast(",
            $of,
            " as text)
                when 'created_at' then created_at
                when 'updated_at' then updated_at
                when 'last_login' then last_login_at
                when 'logins_count' then logins_count end between ",
            $from,
            " and ",
            $until,
            " - 1))"
        )
    };
}

macro_rules! matching {
    ($head:expr, $tail:expr) => {
        concat!(
            $head,
            " where (cast($53 as text) is null or email_folded = $53)",
            clause!("$1", "$2", "$3", "$4", "$5"),
            clause!("$6", "$7", "$8", "$9", "$10"),
            clause!("$11", "$12", "$13", "$14", "$15"),
            clause!("$16", "$17", "$18", "$19", "$20"),
            clause!("$21", "$22", "$23", "$24", "$25"),
            clause!("$26", "$27", "$28", "$29", "$30"),
            clause!("$31", "$32", "$33", "$34", "$35"),
            clause!("$36", "$37", "$38", "$39", "$40"),
            range!("$41", "$42", "$43"),
            range!("$44", "$45", "$46"),
            range!("$47", "$48", "$49"),
            range!("$50", "$51", "$52"),
            $tail
        )
    };
}

/// The order of a [`Sort`].
macro_rules! sorted {
    ($direction:literal) => {
        concat!(
            " order by
              case cast($56 as text) when 'email' then coalesce(email_folded, '')
                when 'username' then coalesce(username_folded, '') when 'name' then coalesce(name, '')
                when 'given_name' then coalesce(given_name, '')
                when 'family_name' then coalesce(family_name, '')
                when 'user_id' then user_id else '' end ", $direction, ",
              case cast($56 as text) when 'updated_at' then updated_at
                when 'last_login' then coalesce(last_login_at, 0)
                when 'logins_count' then logins_count else 0 end ", $direction, ",
              created_at ", $direction, ", user_id ", $direction, " limit $54 offset $55"
        )
    };
}

/// Runs a statement of `matching!` with the search and what its tail wants.
macro_rules! search {
    ($fetch:ident, $conn:expr, $row:ty, $search:expr, $sql:expr $(, $value:expr)*) => {{
        let search: &Search = $search;
        let c = |at| search.clause(at);
        let (a, b, d, e) = (c(0), c(1), c(2), c(3));
        let (f, g, h, i) = (c(4), c(5), c(6), c(7));
        let r = |at| search.range(at);
        let (p, q, s, t) = (r(0), r(1), r(2), r(3));
        run!(
            $fetch, $conn, $row, $sql,
            a.0, a.1, a.2, a.3, a.4, b.0, b.1, b.2, b.3, b.4, d.0, d.1, d.2, d.3, d.4,
            e.0, e.1, e.2, e.3, e.4, f.0, f.1, f.2, f.3, f.4, g.0, g.1, g.2, g.3, g.4,
            h.0, h.1, h.2, h.3, h.4, i.0, i.1, i.2, i.3, i.4,
            p.0, p.1, p.2, q.0, q.1, q.2, s.0, s.1, s.2, t.0, t.1, t.2,
            search.only_email() $(, $value)*
        )
    }};
}

type Alternatives<'s> = (
    Option<&'s str>,
    Option<&'s str>,
    Option<&'s str>,
    Option<&'s str>,
    bool,
);

impl Search {
    fn clause(&self, at: usize) -> Alternatives<'_> {
        let Some(clause) = self.clauses.get(at) else {
            return (None, None, None, None, true);
        };
        let text = |at: usize| clause.any_of.get(at).map(String::as_str);
        (text(0), text(1), text(2), text(3), clause.wanted)
    }

    fn range(&self, at: usize) -> (Option<&'static str>, i64, i64) {
        let range = self.ranges.get(at);
        range.map_or((None, 0, 0), |range| {
            (Some(range.of.as_str()), range.from, range.until)
        })
    }

    /// The one e-mail address that is asked for, told apart because an index knows it.
    fn only_email(&self) -> Option<&str> {
        let mut wanted = self.clauses.iter().filter(|clause| clause.wanted);
        wanted.find_map(|clause| match clause.any_of.as_slice() {
            [line] => line.strip_prefix("\nemail:")?.strip_suffix('\n'),
            _ => None,
        })
    }
}

/// A page of what a search finds, the oldest first unless it is sorted.
///
/// # Errors
/// A fault of the store.
pub async fn list(
    conn: &mut Conn,
    search: &Search,
    sort: Option<Sort>,
    (offset, rows_max): (i64, i64),
) -> Result<Vec<User>, Fault> {
    macro_rules! page {
        ($tail:expr $(, $by:expr)?) => {
            search!(
                fetch_all,
                conn,
                UserRow,
                search,
                matching!(concat!("select ", columns!(), " from users"), $tail),
                rows_max,
                offset
                $(, $by)?
            )
        };
    }
    let rows = match sort {
        None => page!(" order by created_at, user_id limit $54 offset $55"),
        Some(sort) if sort.is_descending => page!(sorted!("desc"), sort.by),
        Some(sort) => page!(sorted!("asc"), sort.by),
    }?;
    rows.into_iter().map(UserRow::into_user).collect()
}

/// How many users a search finds.
///
/// # Errors
/// A fault of the store.
pub async fn count(conn: &mut Conn, search: &Search) -> Result<i64, Fault> {
    let (count,) = search!(
        fetch_one,
        conn,
        (i64,),
        search,
        matching!("select count(*) from users", "")
    )?;
    Ok(count)
}
