/**
 * Instruction selection: which kernels make which tensors. A tensor that somebody reads is offered to every kernel; of those that can
 * make it, the one is taken that is cheapest together with all that it reads (dynamic programming over the graph, as if
 * tensors were not shared). Tensors in between, which no chosen kernel reads, are never made.
 */
import type { Problem } from "../diagnostics.ts";
import { HedgeError } from "../errors.ts";
import type { Node } from "../graph/graph.ts";
import { problemsError } from "../problems.ts";
import { type Draft, INPUT_BUFFER } from "./draft.ts";
import type { Kernel } from "./kernel.ts";
import type { Matcher } from "./matcher.ts";

/** Kernels in tiers: those of a later one make a tensor only where all before refuse. */
export type Kernels = readonly (readonly Kernel[])[];

/** Why a tensor cannot be made. */
export interface Refusal {
  readonly tensor: string;
  readonly node: Node;
  /** What each kernel said that knows such a layer. */
  readonly reasons: readonly { readonly kernel: string; readonly error: HedgeError }[];
}

interface Candidate {
  readonly draft: Draft;
  readonly reads: readonly string[];
}

interface Choice {
  readonly candidates: readonly Candidate[];
  readonly reasons: Refusal["reasons"];
  /** Where no kernel makes the tensor: what to look at nevertheless, so that all refusals are found at once. */
  readonly beyond: readonly string[];
  /** The cheapest candidate, when what it reads can be made. */
  best?: Candidate;
  cost: number;
}

/** Operators whose results are stored. */
const QUANTISERS: ReadonlySet<string> = new Set(["quant", "requant", "threshold", "lut"]);

/** Tensors that a layer reads and that another has to make, by the names that they have in memory. */
export function readsOf(match: Matcher, { name: own, buffers }: Draft): string[] {
  return buffers
    .filter(({ name }) => name !== own && match.graph.tensors.has(name))
    .map(({ name }) => match.bufferOf(name).root)
    .filter((root) => root !== INPUT_BUFFER);
}

export class Selection {
  readonly #choices = new Map<string, Choice>();

  /**
   * @param wanted tensors that must be in memory
   * @param input makes the input's tensor from what the host wrote, where a kernel wants it in another order
   */
  constructor(
    private readonly match: Matcher,
    kernels: Kernels,
    private readonly wanted: readonly string[],
    input: Kernel["draft"],
  ) {
    const demanded = new Set(wanted.map((tensor) => this.#rootOf(tensor)));
    const demand = (tensor: string, choice: Choice): void => {
      this.#choices.set(tensor, choice);
      for (const { reads } of choice.candidates) for (const name of reads) demanded.add(name);
      for (const name of choice.beyond) demanded.add(name);
    };
    // Readers come behind what they read: backwards, every demand is known when its tensor's turn comes.
    for (const node of match.graph.nodes.toReversed())
      if (demanded.has(node.output)) demand(node.output, this.#offer(node, kernels));
    if (demanded.has(match.graph.input)) {
      const node: Node = {
        name: match.graph.input,
        op: "input",
        inputs: [],
        output: match.graph.input,
        attributes: {},
      };
      demand(node.output, this.#offer(node, [[{ name: "copy", draft: input }]]));
    }
    this.#settle(match.graph.input);
    for (const node of match.graph.nodes) this.#settle(node.output);
  }

  /** The chosen drafts, in the order of the graph's nodes. @throws HedgeError that lists every layer without a kernel */
  drafts(): Draft[] {
    const refusals = this.refusals();
    if (refusals.length > 0) throw refusalError(refusals);
    const chosen = new Map<string, Draft>();
    this.#walk((tensor, { best }) => {
      chosen.set(tensor, best!.draft);
      return best!.reads;
    });
    const order = [this.match.graph.input, ...this.match.graph.nodes.map((node) => node.output)];
    return order.flatMap((name) => chosen.get(name) ?? []);
  }

  /** All layers for which there is no kernel; none of them is so only because of another. */
  refusals(): Refusal[] {
    const refusals: Refusal[] = [];
    this.#walk((tensor, { best, candidates, reasons, beyond }) => {
      if (best) return best.reads;
      // A kernel of a later tier needs a tensor that cannot be made; those before know why they do not help.
      if (candidates.length > 0 && reasons.length === 0) return candidates[0]!.reads;
      const node = this.match.producer(tensor) ?? this.match.graph.nodes[0]!;
      refusals.push({ tensor, node, reasons });
      return beyond;
    });
    return refusals;
  }

  /** What the tensor, or the tensor of which it is a view, is called in memory. */
  #rootOf(tensor: string): string {
    return this.match.bufferOf(tensor).root;
  }

  #offer(node: Node, kernels: Kernels): Choice {
    const candidates: Candidate[] = [];
    const reasons: { kernel: string; error: HedgeError }[] = [];
    for (const tier of kernels) {
      if (candidates.length > 0) break;
      // Those of the last know least of what a layer was meant to be.
      const known = reasons.length > 0 && tier === kernels.at(-1);
      for (const kernel of tier)
        try {
          const draft = kernel.draft(this.match, node);
          if (draft) candidates.push({ draft, reads: readsOf(this.match, draft) });
        } catch (error) {
          if (!(error instanceof HedgeError)) throw error;
          if (!known) reasons.push({ kernel: kernel.name, error });
        }
    }
    const beyond = candidates.length > 0 && reasons.length === 0 ? [] : this.#quantisedBehind(node);
    return { candidates, reasons, beyond, cost: Number.POSITIVE_INFINITY };
  }

  /** The nearest tensors that quantisers make, on every way from a node back to the input. */
  #quantisedBehind(node: Node): string[] {
    const found = new Set<string>();
    const seen = new Set<string>();
    const waiting = [...node.inputs];
    for (let tensor = waiting.pop(); tensor !== undefined; tensor = waiting.pop()) {
      const producer = this.match.producer(tensor);
      if (!producer || seen.has(tensor)) continue;
      seen.add(tensor);
      if (QUANTISERS.has(producer.op)) found.add(this.#rootOf(tensor));
      else waiting.push(...producer.inputs);
    }
    found.delete(INPUT_BUFFER);
    return [...found];
  }

  #settle(tensor: string): void {
    const choice = this.#choices.get(tensor);
    if (!choice) return;
    for (const candidate of choice.candidates) {
      const cost = candidate.reads.reduce(
        (sum, read) => sum + (this.#choices.get(read)?.cost ?? Number.POSITIVE_INFINITY),
        candidate.draft.operations,
      );
      if (cost < choice.cost) Object.assign(choice, { best: candidate, cost });
    }
  }

  /** Visits each tensor once, from the wanted ones on along what `visit` returns. */
  #walk(visit: (tensor: string, choice: Choice) => readonly string[]): void {
    const seen = new Set<string>([INPUT_BUFFER]);
    const waiting = this.wanted.map((tensor) => this.#rootOf(tensor));
    for (let tensor = waiting.pop(); tensor !== undefined; tensor = waiting.pop()) {
      if (seen.has(tensor)) continue;
      seen.add(tensor);
      waiting.push(...visit(tensor, this.#choices.get(tensor)!));
    }
  }
}

/** One error for all of them; that of the only kernel that knows the layer, if there is one. */
export function refusalError(refusals: readonly Refusal[]): HedgeError {
  const problems = refusals.map(problemOf);
  const [{ code, message, remedy }] = problems as [Problem];
  if (problems.length === 1) return new HedgeError("input", message, remedy, { code, problems });
  return problemsError(
    `${problems.length} layers have no kernel:`,
    problems,
    "Change them and export the model again.",
  );
}

/** What keeps a layer from being made. */
export function problemOf({ node, reasons }: Refusal): Problem {
  const [first] = reasons;
  if (!first)
    return {
      code: "H401",
      node: node.name,
      message: `Node "${node.name}" (${node.op}) has no kernel.`,
      remedy: "Put a quantiser behind it, or compare the model with docs/model-format.md.",
    };
  const { code = "H401", remedy } = first.error;
  // Several kernels may miss the same thing.
  const messages = new Set(reasons.map(({ error }) => error.message));
  return { code, node: node.name, message: [...messages].join(" "), remedy };
}
