-- What is kept of an object and shown as it was set, because nothing follows from it: a JSON object.
alter table apis add column described text not null default '{}';
alter table applications add column described text not null default '{}';
alter table client_grants add column described text not null default '{}';
-- The operator's own application, rather than somebody else's.
alter table applications add column is_first_party boolean not null default true;
-- The origins among what is described, for CORS: a JSON array.
alter table applications add column web_origins text;
