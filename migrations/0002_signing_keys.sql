-- Rows of keys, an algorithm each: any number of previous ones, one current, one next.
alter table signing_keys rename to first_signing_keys;
create table signing_keys (
    kid text primary key,
    algorithm text not null,
    generation bigint not null,
    state text not null check (state in ('next', 'current', 'previous', 'revoked')),
    sealed_private_key text,
    certificate text,
    created_at bigint not null,
    current_since bigint,
    signs_from bigint,
    current_until bigint,
    published_until bigint,
    revoked_at bigint,
    unique (algorithm, generation),
    check ((state = 'revoked') = (revoked_at is not null)),
    check ((state = 'revoked') = (sealed_private_key is null)),
    check ((state = 'next') = (signs_from is null)),
    check ((state = 'previous' or state = 'revoked') = (published_until is not null))
);
insert into signing_keys (kid, algorithm, generation, state, sealed_private_key, created_at,
    current_since, signs_from)
    select kid, algorithm, case state when 'current' then 1 else 2 end, state, sealed_private_key,
        created_at, case state when 'current' then created_at end,
        case state when 'current' then created_at end
      from first_signing_keys where state <> 'previous';
drop table first_signing_keys;
create unique index signing_keys_in_turn on signing_keys (algorithm, state)
    where state = 'current' or state = 'next';
create index signing_keys_by_end on signing_keys (published_until);

-- HS256: an API's own secret under the master key. Who has gone over to another algorithm keeps it
-- until the last token that it can have signed has ended.
alter table apis add column sealed_signing_secret text
    check (sealed_signing_secret is null or system is null);
alter table apis add column signing_secret_ends_at bigint
    check (signing_secret_ends_at is null or sealed_signing_secret is not null);
create index apis_by_signing_secret_end on apis (signing_secret_ends_at);
