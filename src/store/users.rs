//! Users and their passwords' hashes. A hash leaves here only together with what a sign-in needs.

use sqlx::FromRow;

use super::{Conn, Write, execute, run, try_execute};
use crate::model::fault::Fault;
use crate::model::user::{User, fold};
use crate::secret::Secret;

macro_rules! columns {
    () => {
        "user_id, email, email_verified, username, phone_number, phone_verified, name, given_name,
         family_name, nickname, picture, blocked, user_metadata, app_metadata,
         last_password_reset_at, last_login_at, last_ip, logins_count, created_at, updated_at"
    };
}
pub(super) use columns;

#[derive(FromRow)]
pub(super) struct UserRow {
    user_id: String,
    email: Option<String>,
    email_verified: bool,
    username: Option<String>,
    phone_number: Option<String>,
    phone_verified: bool,
    name: Option<String>,
    given_name: Option<String>,
    family_name: Option<String>,
    nickname: Option<String>,
    picture: Option<String>,
    blocked: bool,
    user_metadata: String,
    app_metadata: String,
    last_password_reset_at: Option<i64>,
    last_login_at: Option<i64>,
    last_ip: Option<String>,
    logins_count: i64,
    created_at: i64,
    updated_at: i64,
}

#[derive(FromRow)]
struct SignInRow {
    #[sqlx(flatten)]
    user: UserRow,
    password_hash: Option<String>,
    password_version: i64,
}

impl UserRow {
    pub(super) fn into_user(self) -> Result<User, Fault> {
        Ok(User {
            user_id: self.user_id,
            email: self.email,
            email_verified: self.email_verified,
            username: self.username,
            phone_number: self.phone_number,
            phone_verified: self.phone_verified,
            name: self.name,
            given_name: self.given_name,
            family_name: self.family_name,
            nickname: self.nickname,
            picture: self.picture,
            blocked: self.blocked,
            user_metadata: super::parse_json(&self.user_metadata)?,
            app_metadata: super::parse_json(&self.app_metadata)?,
            created_at: self.created_at,
            updated_at: self.updated_at,
            last_login: self.last_login_at,
            last_ip: self.last_ip,
            logins_count: self.logins_count,
            last_password_reset: self.last_password_reset_at,
        })
    }
}

/// What a sign-in needs to know.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// Who it would be.
    pub user: User,
    /// What the password is verified with; `None` where the user has none.
    pub password_hash: Option<Secret<String>>,
    /// Another number is another password.
    pub password_version: i64,
}

/// Stores a new user; false where the `user_id`, the e-mail address or the username is taken.
///
/// # Errors
/// A fault of the store.
pub async fn insert(
    tx: &mut Write,
    user: &User,
    password_hash: Option<&Secret<String>>,
) -> Result<bool, Fault> {
    let inserted = execute!(
        tx,
        "insert into users (user_id, email, email_folded, email_verified, username, username_folded,
             phone_number, phone_verified, name, given_name, family_name, nickname, picture, blocked,
             user_metadata, app_metadata, password_hash, password_version, last_password_reset_at,
             last_login_at, last_ip, logins_count, created_at, updated_at, words)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, 1, $18,
             $19, $20, $21, $22, $23, $24)
         on conflict do nothing",
        &user.user_id,
        &user.email,
        user.email.as_deref().map(fold),
        user.email_verified,
        &user.username,
        user.username.as_deref().map(fold),
        &user.phone_number,
        user.phone_verified,
        &user.name,
        &user.given_name,
        &user.family_name,
        &user.nickname,
        &user.picture,
        user.blocked,
        super::to_json(&user.user_metadata)?,
        super::to_json(&user.app_metadata)?,
        password_hash.map(Secret::expose),
        user.last_password_reset,
        user.last_login,
        &user.last_ip,
        user.logins_count,
        user.created_at,
        user.updated_at,
        user.words()
    )?;
    Ok(inserted == 1)
}

/// Takes the user's row lock, so that a change that was read before is written over nobody's other
/// change; false where it is gone.
///
/// # Errors
/// A fault of the store.
pub async fn lock(tx: &mut Write, user_id: &str) -> Result<bool, Fault> {
    let locked = execute!(
        tx,
        "update users set user_id = user_id where user_id = $1",
        user_id
    )?;
    Ok(locked == 1)
}

/// Overwrites what may change of a user, the password and what sign-ins leave excepted. False where
/// the user is gone, or the e-mail address or username is another's; then the transaction is dropped.
///
/// # Errors
/// A fault of the store.
pub async fn update(tx: &mut Write, user: &User) -> Result<bool, Fault> {
    let updated = try_execute!(
        tx,
        "update users set email = $2, email_folded = $3, email_verified = $4, username = $5,
             username_folded = $6, phone_number = $7, phone_verified = $8, name = $9,
             given_name = $10, family_name = $11, nickname = $12, picture = $13, blocked = $14,
             user_metadata = $15, app_metadata = $16, updated_at = $17, words = $18
          where user_id = $1
            and not exists (select 1 from users other where other.user_id <> $1
                and (other.email_folded = $3 or other.username_folded = $6))",
        &user.user_id,
        &user.email,
        user.email.as_deref().map(fold),
        user.email_verified,
        &user.username,
        user.username.as_deref().map(fold),
        &user.phone_number,
        user.phone_verified,
        &user.name,
        &user.given_name,
        &user.family_name,
        &user.nickname,
        &user.picture,
        user.blocked,
        super::to_json(&user.user_metadata)?,
        super::to_json(&user.app_metadata)?,
        user.updated_at,
        user.words()
    );
    Ok(super::none_where_taken(updated)? == 1)
}

/// Gives a user another password; false where the user is gone.
///
/// # Errors
/// A fault of the store.
pub async fn set_password_hash(
    tx: &mut Write,
    user_id: &str,
    password_hash: &Secret<String>,
    now: i64,
) -> Result<bool, Fault> {
    let set = execute!(
        tx,
        "update users set password_hash = $2, password_version = password_version + 1,
             last_password_reset_at = $3, updated_at = $3
          where user_id = $1",
        user_id,
        password_hash.expose(),
        now
    )?;
    Ok(set == 1)
}

/// Puts a better hash of the same password in the place of the old one; false where the old one is
/// there no more.
///
/// # Errors
/// A fault of the store.
pub async fn upgrade_password_hash(
    tx: &mut Write,
    user_id: &str,
    old: &Secret<String>,
    new: &Secret<String>,
) -> Result<bool, Fault> {
    let upgraded = execute!(
        tx,
        "update users set password_hash = $3 where user_id = $1 and password_hash = $2",
        user_id,
        old.expose(),
        new.expose()
    )?;
    Ok(upgraded == 1)
}

/// Notes a sign-in; false where meanwhile the user is gone or blocked, or has another password than
/// the one that was verified, and so may not sign in.
///
/// # Errors
/// A fault of the store.
pub async fn note_login(
    tx: &mut Write,
    user_id: &str,
    password_version: i64,
    (now, ip): (i64, Option<&str>),
) -> Result<bool, Fault> {
    let noted = execute!(
        tx,
        "update users set last_login_at = $3, last_ip = $4, logins_count = logins_count + 1
          where user_id = $1 and password_version = $2 and not blocked",
        user_id,
        password_version,
        now,
        ip
    )?;
    Ok(noted == 1)
}

/// How many users have signed in at `since` or later.
///
/// # Errors
/// A fault of the store.
pub async fn count_active(conn: &mut Conn, since: i64) -> Result<i64, Fault> {
    let (count,) = run!(
        fetch_one,
        conn,
        (i64,),
        "select count(*) from users where last_login_at >= $1",
        since
    )?;
    Ok(count)
}

/// Removes a user; false where it is gone already.
///
/// # Errors
/// A fault of the store.
pub async fn delete(tx: &mut Write, user_id: &str) -> Result<bool, Fault> {
    let deleted = execute!(tx, "delete from users where user_id = $1", user_id)?;
    Ok(deleted == 1)
}

/// The user of a `user_id`.
///
/// # Errors
/// A fault of the store.
pub async fn get(conn: &mut Conn, user_id: &str) -> Result<Option<User>, Fault> {
    let row = run!(
        fetch_optional,
        conn,
        UserRow,
        concat!("select ", columns!(), " from users where user_id = $1"),
        user_id
    )?;
    row.map(UserRow::into_user).transpose()
}

/// The users of an e-mail address, whatever its case: one, or none.
///
/// # Errors
/// A fault of the store.
pub async fn by_email(conn: &mut Conn, email: &str) -> Result<Vec<User>, Fault> {
    let rows = run!(
        fetch_all,
        conn,
        UserRow,
        concat!("select ", columns!(), " from users where email_folded = $1"),
        fold(email)
    )?;
    rows.into_iter().map(UserRow::into_user).collect()
}

/// Who would sign in with this e-mail address or username, whatever its case. A username holds no
/// `@`, so at most one user is meant.
///
/// # Errors
/// A fault of the store.
pub async fn find_for_sign_in(conn: &mut Conn, identifier: &str) -> Result<Option<SignIn>, Fault> {
    let row = run!(
        fetch_optional,
        conn,
        SignInRow,
        concat!(
            "select ",
            columns!(),
            ", password_hash, password_version from users
              where email_folded = $1 or username_folded = $1"
        ),
        fold(identifier)
    )?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(SignIn {
        user: row.user.into_user()?,
        password_hash: row.password_hash.map(Secret::new),
        password_version: row.password_version,
    }))
}
