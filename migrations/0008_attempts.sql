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
