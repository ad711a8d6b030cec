-- Limits of attempts. A row is a bucket that each attempt fills by a step and that empties by itself:
-- `spent_until_ms` is when it will be empty. One that is empty is as good as none.
create table attempts (
    kind text not null,
    subject text not null,
    spent_until_ms bigint not null,
    primary key (kind, subject)
);
create index attempts_by_end on attempts (spent_until_ms);

-- Addresses from which an account has signed in, until they are forgotten.
create table known_addresses (
    account text not null,
    address text not null,
    seen_at bigint not null,
    primary key (account, address)
);
create index known_addresses_by_age on known_addresses (seen_at);

-- Links in mails that work once, under the keyed digest of their text. One is for the user as they were:
-- with this e-mail address ('' for none) and, where it sets a password, with this password.
create table user_tickets (
    digest text primary key,
    kind text not null check (kind in ('reset_password', 'verify_email')),
    user_id text not null references users (user_id) on delete cascade,
    email_folded text not null,
    password_version bigint,
    proves_email boolean not null,
    result_url text,
    created_at bigint not null,
    expires_at bigint not null,
    used_at bigint
);
create index user_tickets_by_user on user_tickets (user_id, kind);
create index user_tickets_by_end on user_tickets (expires_at);
