-- Users at applications: sessions, consent, codes, pushed requests, refresh tokens, and what is told to
-- applications when a session ends.

-- A sign-in in one browser. Its id is the `sid` of ID tokens; the cookie's text is kept as a digest.
create table sessions (
    id text primary key,
    cookie_digest text not null unique,
    user_id text not null references users (user_id) on delete cascade,
    position bigint not null,
    amr text not null,
    is_persistent boolean not null,
    initial_ip text,
    initial_user_agent text,
    last_ip text,
    last_user_agent text,
    metadata text not null default '{}',
    created_at bigint not null,
    updated_at bigint not null,
    authenticated_at bigint not null,
    last_interacted_at bigint not null,
    expires_at bigint not null
);
create index sessions_by_user on sessions (user_id, created_at, id);
create index sessions_by_end on sessions (expires_at);
create index sessions_by_interaction on sessions (last_interacted_at);
create index sessions_by_position on sessions (position);
-- Which applications a session has signed the user in to.
create table session_clients (
    session_id text not null references sessions (id) on delete cascade,
    client_id text not null references applications (client_id) on delete cascade,
    created_at bigint not null,
    primary key (session_id, client_id)
);

-- What a user has consented to. `place` is the API's id, or empty where no API is meant.
create table user_grants (
    id text primary key,
    user_id text not null references users (user_id) on delete cascade,
    client_id text not null references applications (client_id) on delete cascade,
    place text not null,
    api_id text references apis (id) on delete cascade,
    scopes text not null,
    expires_at bigint,
    created_at bigint not null,
    updated_at bigint not null,
    unique (user_id, client_id, place),
    check (place = coalesce(api_id, ''))
);
create index user_grants_by_application on user_grants (client_id);
create index user_grants_by_age on user_grants (created_at, id);

-- `authorization` is JSON: what the user has authorized. The mark is the redeeming request's own: one
-- that is run again finds it and is no replay. Redeemed codes are kept, so that a second use is seen.
create table authorization_codes (
    digest text primary key,
    family text not null unique,
    client_id text not null references applications (client_id) on delete cascade,
    user_id text not null references users (user_id) on delete cascade,
    position bigint not null,
    request text not null,
    authorized text not null,
    created_at bigint not null,
    expires_at bigint not null,
    kept_until bigint not null,
    mark text
);
create index authorization_codes_by_end on authorization_codes (kept_until);

-- RFC 9126. `request` is JSON: the checked request. They live for seconds, and whoever takes one looks at
-- the application first, so none is tied to its row.
create table pushed_requests (
    digest text primary key,
    request text not null,
    expires_at bigint not null,
    mark text
);
create index pushed_requests_by_end on pushed_requests (expires_at);

-- A row for each family of refresh tokens. `current_digest` is the newest one's; the one before is
-- answered with the same successor, which lies here under a key that only that token opens, up to
-- `replays` times. The mark is the last replaying request's own: run again, it counts once.
create table refresh_families (
    id text primary key,
    client_id text not null references applications (client_id) on delete cascade,
    user_id text not null references users (user_id) on delete cascade,
    session_id text,
    position bigint not null,
    authorized text not null,
    generation bigint not null,
    current_digest text not null,
    previous_digest text,
    sealed_successor text,
    rotated_at bigint,
    replays bigint not null default 0,
    mark text,
    initial_ip text,
    initial_user_agent text,
    last_ip text,
    last_user_agent text,
    metadata text not null default '{}',
    created_at bigint not null,
    ends_at bigint,
    last_exchanged_at bigint,
    used_at bigint not null,
    check (ends_at is null or ends_at > created_at),
    check ((previous_digest is null) = (sealed_successor is null)),
    check ((previous_digest is null) = (rotated_at is null))
);
create index refresh_families_by_user on refresh_families (user_id, client_id, created_at, id);
create index refresh_families_by_application on refresh_families (client_id, created_at, id);
create index refresh_families_by_use on refresh_families (client_id, used_at);
create index refresh_families_by_session on refresh_families (session_id);
create index refresh_families_by_end on refresh_families (ends_at);
create index refresh_families_by_age on refresh_families (created_at, id);
-- What a family is for. `place` is as in user_grants; the audience is userinfo's where no API is meant.
create table refresh_family_apis (
    family_id text not null references refresh_families (id) on delete cascade,
    place text not null,
    audience text not null,
    primary key (family_id, place)
);
create index refresh_family_apis_by_audience on refresh_family_apis (audience);
-- Today's terms of an application, for the sweep; unset: without end.
alter table applications add column refresh_lifetime_seconds bigint;
alter table applications add column refresh_idle_seconds bigint;

-- Back-channel logout: who is still to be told. Tried again until `ends_at`.
create table logout_notices (
    id text primary key,
    client_id text not null references applications (client_id) on delete cascade,
    user_id text not null,
    session_id text not null,
    url text not null,
    attempts bigint not null,
    next_attempt_at bigint not null,
    ends_at bigint not null
);
create index logout_notices_by_turn on logout_notices (next_attempt_at);

-- Whether applications get tokens for users, and how long a user's consent holds.
alter table apis add column user_policy text not null default 'allow_all'
    check (user_policy in ('allow_all', 'deny_all', 'require_client_grant'));
-- Nobody administers by somebody's consent.
update apis set user_policy = 'deny_all' where system = 'management';
alter table apis add column user_grant_seconds bigint check (user_grant_seconds >= 1);

-- What a stored user token came from.
alter table tokens add column family text;
create index tokens_by_family on tokens (family);
-- What userinfo tells beside the claims of the scopes: a JSON list of names.
alter table tokens add column userinfo_claims text;

-- What signs an application's ID tokens, where it says so: keys are made for what is in use.
alter table applications add column id_token_alg text;
update applications set id_token_alg = case
    when described like '%"jwt_configuration":{"alg":"RS256"%' then 'RS256'
    when described like '%"jwt_configuration":{"alg":"RS512"%' then 'RS512'
    when described like '%"jwt_configuration":{"alg":"PS256"%' then 'PS256'
end;

-- What /stats counts.
create index audit_of_sign_ins on audit (date_ms) where type in ('s', 'ss');
create index users_by_last_login on users (last_login_at);
