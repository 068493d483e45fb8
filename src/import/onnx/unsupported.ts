import type { DiagnosticCode } from "../../diagnostics.ts";

/** Why a node cannot be used: a clause about it ("its group is 2") and the remedy. Who catches it adds the file and the node. */
export class Unsupported extends Error {
  constructor(
    message: string,
    readonly remedy: string,
    readonly code: DiagnosticCode = "H202",
  ) {
    super(message);
  }
}
