/** The process that a load runs in; `load-process.ts` starts it and talks to it. */
import { answerQuestions } from "./helper-process.ts";
import { Load, type LoadOptions, type Pace } from "./load.ts";

export type LoadRequest =
  | { readonly what: "open"; readonly options: LoadOptions }
  | { readonly what: "pace"; readonly pace: Pace }
  | { readonly what: "counts" | "settle" | "finish" };

let load: Load | undefined;

answerQuestions<LoadRequest>(async (request) => {
  if (request.what === "open") {
    load = await Load.open(request.options);
    return undefined;
  }
  if (load === undefined) throw new Error("the load was not opened");
  if (request.what === "pace") return load.pace(request.pace);
  return request.what === "counts" ? load.counts : load[request.what]();
});
