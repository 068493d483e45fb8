/** How often a sample was answered, whether always alike, and the times by which rows are looked for and let go. */
export const sql = `
alter table results
  add column repeats bigint not null default 0,
  add column differs boolean not null default false;

create index samples_last_offer on samples (last_offer);
create index results_at on results (at);
create index exits_at on exits (at);
create index dead_letters_at on dead_letters (at);
create index events_at on events (at);

create view outcomes as
  select s.*, r.state, r.served, r.label, r.confidence, r.worker, r.ms, r.at as answered, r.repeats, r.differs
  from samples s left join results r using (device, session, sample, model);
`;
