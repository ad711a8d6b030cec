-- The audit: who did what, from where, and what became of it. Append only. `n` is given in commit
-- order, so that a reader who goes on from the last one that it has seen misses nothing.
create table audit_counter (
    id bigint primary key check (id = 1),
    n bigint not null
);
insert into audit_counter (id, n) values (1, 0);
create table audit (
    n bigint primary key,
    date_ms bigint not null,
    type text not null,
    client_id text,
    client_name text,
    user_id text,
    ip text,
    user_agent text,
    audience text,
    scope text,
    correlation_id text,
    description text,
    details text not null,
    words text not null
);
create index audit_by_date on audit (date_ms, n);
create index audit_by_application on audit (client_id, date_ms, n);

-- The last batch of each node, so that one whose outcome was unknown is not written twice.
create table audit_writers (
    id text primary key,
    batch bigint not null,
    written_at bigint not null
);

-- Tokens issued on a day (YYYYMMDD, UTC). A token for several APIs has a row at each; `tokens_first`
-- counts it at the one named first only.
create table issuance_counts (
    day bigint not null,
    client_id text not null,
    audience text not null,
    rule text not null,
    tokens bigint not null,
    tokens_first bigint not null,
    primary key (day, client_id, audience, rule)
);
