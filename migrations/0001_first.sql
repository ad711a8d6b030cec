-- One text for Postgres and SQLite: text, bigint and boolean only. Times are unix seconds (`*_at`).

-- The feed: what changed, in commit order. The counter's row lock makes commit order equal number order.
create table change_counter (
    id bigint primary key check (id = 1),
    n bigint not null
);
create table changes (
    n bigint primary key,
    mark text not null,
    kind text not null,
    key text not null,
    created_at bigint not null
);

-- Values under the master key; the digest key among them, whose unsealing proves the master key right.
create table sealed_values (
    name text primary key,
    sealed text not null,
    created_at bigint not null
);
create table signing_keys (
    kid text primary key,
    algorithm text not null,
    state text not null check (state in ('previous', 'current', 'next')),
    sealed_private_key text not null,
    created_at bigint not null,
    unique (algorithm, state)
);

-- A system API's identifier follows from the issuer, so only which one it is is stored.
create table apis (
    id text primary key,
    system text unique check (system in ('management', 'mfa')),
    identifier text unique,
    name text,
    scopes text not null,
    signing_alg text not null,
    token_dialect text,
    allow_offline_access boolean not null,
    skip_consent_for_verifiable_first_party_clients boolean not null,
    client_policy text not null check (client_policy in ('require_client_grant', 'deny_all')),
    token_lifetime bigint not null check (token_lifetime <> 0),
    token_lifetime_for_web bigint not null check (token_lifetime_for_web >= 1),
    max_token_lifetime bigint check (max_token_lifetime <> 0),
    max_is_implied boolean not null,
    created_at bigint not null,
    check ((system is null) <> (identifier is null)),
    check (not max_is_implied or max_token_lifetime is null)
);
create index apis_by_age on apis (created_at, id);

create table applications (
    client_id text primary key,
    name text not null,
    app_type text,
    grant_types text not null,
    token_endpoint_auth_method text
        check (token_endpoint_auth_method in ('none', 'client_secret_post', 'client_secret_basic')),
    resource_server_identifier text,
    application_token_lifetime bigint check (application_token_lifetime <> 0),
    user_token_lifetime bigint check (user_token_lifetime <> 0),
    expires_at bigint,
    created_at bigint not null
);
create index applications_by_age on applications (created_at, client_id);
create index applications_by_resource_server on applications (resource_server_identifier);

create table application_secrets (
    id text primary key,
    client_id text not null references applications (client_id) on delete cascade,
    scheme text not null check (scheme in ('digest', 'argon2id')),
    verifier text not null,
    expires_at bigint,
    created_at bigint not null
);
create index application_secrets_by_application on application_secrets (client_id);

create table client_grants (
    id text primary key,
    client_id text not null references applications (client_id) on delete cascade,
    api_id text not null references apis (id) on delete cascade,
    subject_type text not null check (subject_type in ('client', 'user')),
    scopes text not null,
    allow_all_scopes boolean not null,
    expires_at bigint,
    created_at bigint not null,
    unique (client_id, api_id, subject_type)
);
create index client_grants_by_api on client_grants (api_id);
create index client_grants_by_age on client_grants (created_at, id);

-- Opaque, long and never-expiring tokens. `position` is the feed's number that the request had noted.
create table tokens (
    digest text primary key,
    id text not null unique,
    client_id text not null,
    subject text not null,
    scope text not null,
    position bigint not null,
    issued_at bigint not null,
    expires_at bigint check (expires_at > issued_at),
    last_used_at bigint
);
create index tokens_by_application on tokens (client_id, position);
create index tokens_by_end on tokens (expires_at);
create table token_apis (
    token_id text not null references tokens (id) on delete cascade,
    ordinal bigint not null,
    audience text not null,
    primary key (token_id, ordinal)
);
create index token_apis_by_audience on token_apis (audience);

-- Signed tokens revoked one by one, until they would have ended anyway.
create table revoked_tokens (
    jti text primary key,
    expires_at bigint not null
);
create index revoked_tokens_by_end on revoked_tokens (expires_at);

-- Wholesale: every token of the object whose position is below the number is revoked.
create table revocations (
    object text primary key,
    number bigint not null,
    ends_at bigint not null
);
