-- The tenant's settings, one row. What was set lies in `fields` as JSON; the API that stands in where a
-- request names none is named by its id, so that one that is made anew under its identifier is not it.
create table settings (
    id bigint primary key check (id = 1),
    fields text not null,
    default_api_id text references apis (id) on delete set null
);
insert into settings (id, fields) values (1, '{}');

-- Lists of stored tokens go by age; a user's are found by their subject.
create index tokens_by_age on tokens (issued_at, id);
create index tokens_by_subject on tokens (subject, position);
create index tokens_by_position on tokens (position);
