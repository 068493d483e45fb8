/** What happened, as workers and recorders tell it. Times are those of whoever told. */
export const sql = `
create table workers (
  name text primary key,
  first_seen timestamptz not null,
  last_seen timestamptz not null
);

create table models (
  digest text primary key,
  name text,
  first_seen timestamptz not null,
  last_seen timestamptz not null
);

-- The columns from board on are what the device last said of itself.
create table devices (
  name text primary key,
  first_seen timestamptz not null,
  last_seen timestamptz not null,
  described timestamptz,
  board text,
  firmware text,
  model text,
  counter bigint,
  slot integer,
  trial boolean,
  uptime_s bigint,
  reset_cause text,
  counts jsonb,
  memory jsonb
);

-- The status topic tells of devices and workers alike.
create table presence (
  name text primary key,
  online boolean not null,
  since timestamptz not null
);

-- What was offloaded. entropy is in 2^-16 nats; attempts is the number of the last offer that came, offers how many came.
create table samples (
  device text not null,
  session bigint not null,
  sample bigint not null,
  model text not null,
  edge_label integer not null,
  entropy bigint not null,
  payload_bytes integer not null,
  deadline timestamptz not null,
  attempts bigint not null,
  offers bigint not null,
  first_offer timestamptz not null,
  last_offer timestamptz not null,
  primary key (device, session, sample, model)
);

-- The first result of a sample that was written; served is the state in the worker's finer words.
create table results (
  device text not null,
  session bigint not null,
  sample bigint not null,
  model text not null,
  state text not null,
  served text not null,
  label integer not null,
  confidence double precision not null,
  worker text not null,
  ms double precision not null,
  at timestamptz not null,
  primary key (device, session, sample, model),
  foreign key (device, session, sample, model) references samples on delete cascade
);

-- Samples that devices answered themselves: source edge, or fallback when the cloud gave no answer in time.
create table exits (
  id bigint generated always as identity primary key,
  at timestamptz not null,
  device text not null,
  source text not null,
  label integer not null,
  edge_label integer not null,
  entropy bigint not null,
  attempts bigint not null,
  micros bigint not null
);

create table dead_letters (
  id bigint generated always as identity primary key,
  at timestamptz not null,
  device text not null,
  reason text not null,
  sentence text not null,
  size bigint not null,
  head bytea not null
);

-- subject: a device, a worker, or the digest of a model.
create table events (
  id bigint generated always as identity primary key,
  at timestamptz not null,
  subject text not null,
  what text not null,
  number bigint not null,
  sentence text not null
);

-- How far each writer's batches are in: one whose commit was cut off is not written twice.
create table writers (
  writer text primary key,
  batch bigint not null,
  at timestamptz not null
);
`;
