/** `hedge schema`: what configuration files may say, for editors. */
import { Argument, type Command } from "commander";
import { z } from "zod";

/** By kind: the file's schema. */
const SCHEMAS = {
  worker: async () => (await import("../cloud/config.ts")).workerConfigSchema,
  fleet: async () => (await import("../fleet/spec.ts")).fleetSchema,
} as const satisfies Record<string, () => Promise<z.ZodType>>;
type Kind = keyof typeof SCHEMAS;

export function register(program: Command): void {
  program
    .command("schema")
    .summary("print what a configuration file may say")
    .description("Prints the JSON Schema of a configuration file. Editors complete and check YAML by it.")
    .addArgument(new Argument("<kind>", "which file").choices(Object.keys(SCHEMAS)))
    .addHelpText(
      "after",
      "\nExample:\n  hedge schema worker > worker.schema.json\n" +
        "  and as the first line of worker.yaml: # yaml-language-server: $schema=worker.schema.json",
    )
    .action(async (kind: Kind) => {
      // What a file may say is what goes into the schema; defaults come out of it.
      const schema = z.toJSONSchema(await SCHEMAS[kind](), { io: "input" });
      process.stdout.write(`${JSON.stringify({ title: `hedge ${kind}`, ...schema }, undefined, 2)}\n`);
    });
}
