-- Users, who sign in with an e-mail address or a username and a password. What is compared without
-- regard to case has a folded column, because the databases fold differently.
create table users (
    user_id text primary key,
    email text,
    email_folded text unique,
    email_verified boolean not null,
    username text,
    username_folded text unique,
    phone_number text,
    phone_verified boolean not null,
    name text,
    given_name text,
    family_name text,
    nickname text,
    picture text,
    blocked boolean not null,
    user_metadata text not null,
    app_metadata text not null,
    -- A PHC string, or an imported bcrypt hash until the first sign-in.
    password_hash text,
    -- Counts changes of the password; another hash of the same password is none.
    password_version bigint not null,
    last_password_reset_at bigint,
    last_login_at bigint,
    last_ip text,
    logins_count bigint not null,
    created_at bigint not null,
    updated_at bigint not null,
    -- What a search looks at: a line for each member, folded.
    words text not null,
    check (email is not null or username is not null)
);
create index users_by_age on users (created_at, user_id);

-- Jobs of the Management API: imports of users, whose counts and errors are written together with the
-- users that they tell of, and mails to prove an address, which have none.
create table jobs (
    id text primary key,
    kind text not null check (kind in ('users_import', 'verification_email')),
    status text not null check (status in ('processing', 'completed')),
    external_id text,
    upsert boolean not null,
    total bigint not null,
    inserted bigint not null,
    updated bigint not null,
    failed bigint not null,
    errors text not null,
    created_at bigint not null,
    updated_at bigint not null
);
create index jobs_by_age on jobs (created_at);
