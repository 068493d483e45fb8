/** The process that a load runs in; `load-process.ts` starts it and talks to it. Ends with its parent. */
import { Load, type LoadOptions, type Pace } from "./load.ts";

export type LoadRequest =
  | { readonly what: "open"; readonly options: LoadOptions }
  | { readonly what: "pace"; readonly pace: Pace }
  | { readonly what: "counts" }
  | { readonly what: "finish" };

let load: Load | undefined;

async function answer(request: LoadRequest): Promise<unknown> {
  if (request.what === "open") {
    load = await Load.open(request.options);
    return undefined;
  }
  if (load === undefined) throw new Error("the load was not opened");
  if (request.what === "pace") return load.pace(request.pace);
  return request.what === "counts" ? load.counts : load.finish();
}

process.on("message", (request: LoadRequest) => {
  answer(request).then(
    (value) => process.send?.({ value }),
    (error: Error) => process.send?.({ error: error.message }),
  );
});
process.on("disconnect", () => process.exit());
