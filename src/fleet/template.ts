/** The file that `hedge fleet init` writes: small, runnable, and every part of it with a word on what it does. */

export interface TemplatePaths {
  readonly bundle: string;
  readonly data: string;
}

/** JSON strings are YAML's quoted strings. */
export const fleetTemplate = ({ bundle, data }: TemplatePaths): string => `\
# A fleet for \`hedge fleet run\`. \`hedge fleet check\` says what it will take; \`hedge schema fleet\` what else may stand here.
name: my-fleet
seed: 1                        # the same file and seed give the same result, byte for byte
duration: 1h                   # how long samples arrive, in virtual time
engine: v8                     # or wasm3: what boards run; slower here, the same bytes
inference: each                # once: what several devices would compute alike is computed once
data: ${JSON.stringify(data)}   # labelled samples; paths are relative to this file

cloud:                         # the workers, as virtual time models them
  workers: 2
  batch: 2ms                   # time of a batch ...
  sample: 0.2ms                # ... and of each sample in it

groups:
  - name: porch                # well connected, on mains
    count: 30
    bundle: ${JSON.stringify(bundle)}   # what hedge compile wrote
    board: stm32f4-discovery   # whose clock gives the time of an inference
    arrivals: { kind: periodic, every: 30s, jitter: 3s }
    link: { latency: 20ms, jitter: 10ms }

  - name: garden               # on batteries and a weak link; sees few classes
    count: 20
    bundle: ${JSON.stringify(bundle)}
    threshold: 0.8             # surer of itself: sends less
    data: { shard: skew, alpha: 0.5 }
    arrivals: { kind: poisson, every: 2m }
    link: { latency: 80ms, bandwidth: 50kbit/s, loss: 2%, outages: { every: 30m, last: 1m } }
    energy: { active: 80mW, sleep: 30uW, radioByte: 2uJ, radioWake: 3mJ }
    battery: { capacity: 2000mWh }
    clock: { offset: 50ms, drift: 40ppm }
    reboots: { every: 1d, take: 3s }
    deadline: 10s              # then the device's own answer stands, unconfirmed
`;
