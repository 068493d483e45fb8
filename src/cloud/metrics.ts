/**
 * What a worker counts and times, as Prometheus reads it. Labels are few and bounded: no devices, and models only once they were loaded,
 * because digests in frames are whatever a sender writes there.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { BatchRun, ModelEvent, Observer, ServedSample } from "./observer.ts";
import type { WorkerStatus } from "./status.ts";

interface Metric {
  readonly type: "counter" | "histogram" | "gauge";
  readonly help: string;
  readonly labels?: readonly string[];
  /** Upper bounds of a histogram's buckets. */
  readonly buckets?: readonly number[];
}

const SECONDS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10] as const;

/** Every metric by its name; docs/cloud.md lists them. */
export const METRICS = {
  hedge_samples_total: {
    type: "counter",
    help: "Offloaded samples, by what became of them: answered, repeated, expired, refused, limited",
    labels: ["as", "model"],
  },
  hedge_dead_letters_total: { type: "counter", help: "Dead letters by reason", labels: ["reason"] },
  hedge_serve_seconds: {
    type: "histogram",
    help: "From receipt of a sample to its answer",
    labels: ["as"],
    buckets: SECONDS,
  },
  hedge_deadline_left_seconds: {
    type: "histogram",
    help: "Time left until a sample's deadline when it came in; it shrinks while samples wait at the broker",
    buckets: [0, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60],
  },
  hedge_batch_size: {
    type: "histogram",
    help: "Samples that were run together",
    labels: ["model"],
    buckets: [1, 2, 4, 8, 16, 32, 64, 128],
  },
  hedge_queue_wait_seconds: {
    type: "histogram",
    help: "Time that the first sample of a batch waited for its turn",
    labels: ["model"],
    buckets: SECONDS,
  },
  hedge_run_seconds: {
    type: "histogram",
    help: "Time that a process took for a batch, with the way there and back",
    labels: ["model"],
    buckets: SECONDS,
  },
  hedge_batches_failed_total: { type: "counter", help: "Batches that failed or whose process died", labels: ["model"] },
  hedge_model_events_total: { type: "counter", help: "Models loaded, evicted, or failed to load", labels: ["what"] },
  hedge_pending: { type: "gauge", help: "Messages taken and not answered" },
  hedge_queue_length: { type: "gauge", help: "Samples that wait for their turn", labels: ["model"] },
  hedge_queue_oldest_seconds: { type: "gauge", help: "Time that the oldest of them has waited", labels: ["model"] },
  hedge_models_loaded: { type: "gauge", help: "Models in memory" },
  hedge_model_bytes: { type: "gauge", help: "Size of the models in memory" },
  hedge_processes: { type: "gauge", help: "Processes that run models; one more than run at a time" },
  hedge_process_deaths_total: { type: "counter", help: "Processes that died; each is replaced" },
  hedge_connected: { type: "gauge", help: "1 while the broker is connected" },
  hedge_ready: { type: "gauge", help: "1 while the worker takes samples and can finish them" },
  hedge_history_connected: { type: "gauge", help: "1 while there is a history and it takes what happened" },
  hedge_history_waiting: { type: "gauge", help: "Records that wait for the history" },
  hedge_history_written_total: { type: "counter", help: "Records that the history took" },
  hedge_history_dropped_total: {
    type: "counter",
    help: "Records that were dropped because the history was slow or gone",
  },
  hedge_history_refused_total: { type: "counter", help: "Records that the database did not take" },
  hedge_worker_info: { type: "gauge", help: "1; the labels say who it is", labels: ["name", "mode"] },
} as const satisfies Record<string, Metric>;
type Name = keyof typeof METRICS;

/** Models that get a label of their own; a store with more of them is counted as "other". */
const MOST_MODELS = 200;
/** Milliseconds between looks at the event loop's delay. */
const LOOP_PRECISION = 50;

export class Metrics {
  readonly #registry = new Registry();
  readonly #counters = new Map<string, Counter>();
  readonly #histograms = new Map<string, Histogram>();
  readonly #gauges = new Map<string, Gauge>();
  readonly #models = new Map<string, string>();

  /** @param status asked for whenever the metrics are */
  constructor(private readonly status: () => WorkerStatus) {
    for (const [name, { type, help, labels = [], buckets }] of Object.entries<Metric>(METRICS)) {
      const common = { name, help, labelNames: [...labels], registers: [this.#registry] };
      if (type === "counter") this.#counters.set(name, new Counter(common));
      else if (type === "gauge") this.#gauges.set(name, new Gauge(common));
      else this.#histograms.set(name, new Histogram({ ...common, buckets: [...(buckets ?? [])] }));
    }
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: LOOP_PRECISION });
  }

  readonly observer: Observer = {
    served: (sample) => this.#served(sample),
    batch: (run) => this.#batch(run),
    dead: ({ reason }) => this.#count("hedge_dead_letters_total", { reason }),
    model: (event) => this.#model(event),
  };

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** The text that Prometheus reads. */
  text(): Promise<string> {
    this.#look(this.status());
    return this.#registry.metrics();
  }

  #served({ as, model, at, deadline, ms }: ServedSample): void {
    this.#count("hedge_samples_total", { as, model: this.#label(model) });
    this.#time("hedge_serve_seconds", ms, { as });
    this.#time("hedge_deadline_left_seconds", deadline - at);
  }

  #batch({ model: digest, size, queueMs, runMs, failed }: BatchRun): void {
    const model = { model: this.#label(digest) };
    if (failed) this.#count("hedge_batches_failed_total", model);
    this.#histograms.get("hedge_batch_size" satisfies Name)?.observe(model, size);
    this.#time("hedge_queue_wait_seconds", queueMs, model);
    this.#time("hedge_run_seconds", runMs, model);
  }

  #model({ what, digest }: ModelEvent): void {
    this.#count("hedge_model_events_total", { what });
    if (what === "loaded" && this.#models.size < MOST_MODELS) this.#models.set(digest, digest.slice(0, 12));
  }

  #label(digest: string): string {
    return this.#models.get(digest) ?? "other";
  }

  #count(name: Name, labels: Record<string, string>): void {
    this.#counters.get(name)?.inc(labels);
  }

  #time(name: Name, ms: number, labels: Record<string, string> = {}): void {
    this.#histograms.get(name)?.observe(labels, ms / 1000);
  }

  #look({ name, mode, pending, connected, ready, models, processes, history }: WorkerStatus): void {
    const set = (metric: Name, value: number | boolean, labels: Record<string, string> = {}) =>
      this.#gauges.get(metric)?.set(labels, Number(value));
    // Counted elsewhere; Prometheus is told that they only grow.
    const reach = (metric: Name, total: number) => {
      this.#counters.get(metric)?.reset();
      this.#counters.get(metric)?.inc(total);
    };
    set("hedge_worker_info", 1, { name, mode });
    set("hedge_pending", pending);
    set("hedge_connected", connected);
    set("hedge_ready", ready);
    set("hedge_processes", processes.alive);
    reach("hedge_process_deaths_total", processes.deaths);
    set("hedge_models_loaded", models.length);
    set(
      "hedge_model_bytes",
      models.reduce((sum, { bytes }) => sum + bytes, 0),
    );
    // A model that was let go has no queue any more.
    for (const metric of ["hedge_queue_length", "hedge_queue_oldest_seconds"] as const)
      this.#gauges.get(metric)?.reset();
    for (const { digest, waiting, oldestMs } of models) {
      const model = { model: this.#label(digest) };
      set("hedge_queue_length", waiting, model);
      set("hedge_queue_oldest_seconds", oldestMs / 1000, model);
    }
    if (history === undefined) return;
    set("hedge_history_connected", history.connected);
    set("hedge_history_waiting", history.waiting);
    reach("hedge_history_written_total", history.written);
    reach("hedge_history_dropped_total", history.dropped);
    reach("hedge_history_refused_total", history.refused);
  }
}
