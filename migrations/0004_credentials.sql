-- Public keys of applications (private_key_jwt, RFC 7523), single use of assertions, and when a
-- secret was last used.

-- JSON: the ids of the attached credentials; null where the application authenticates otherwise.
alter table applications add column private_key_jwt text;
alter table application_secrets add column last_used_at bigint;

-- `public_key` is a JWK (RFC 7517); its private part has never been here.
create table client_credentials (
    id text primary key,
    client_id text not null references applications (client_id) on delete cascade,
    credential_type text not null check (credential_type in ('public_key', 'x509_cert')),
    name text,
    kid text not null,
    alg text not null,
    public_key text not null,
    thumbprint_sha256 text,
    expires_at bigint,
    created_at bigint not null,
    updated_at bigint not null,
    unique (client_id, kid)
);

-- Assertions that have been used, by a digest of application and `jti`, until they would be refused
-- anyway. `mark` is the request's own: a redemption that is run again finds it and is no replay.
create table used_assertions (
    digest text primary key,
    mark text not null,
    ends_at bigint not null
);
create index used_assertions_by_end on used_assertions (ends_at);
