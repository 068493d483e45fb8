/** `hedge zoo`: networks with random weights, to try the compiler on. */
import { type Command, InvalidArgumentError } from "commander";
import { integer } from "./options.ts";
import { globalOptions, printResult } from "./output.ts";

interface ZooCommandOptions {
  readonly out?: string;
  readonly flavour?: string;
  readonly bits?: { weights: number; activations: number };
  readonly seed: number;
}

/** "2W4A" -> bits of weights and activations. */
function parseBits(text: string): { weights: number; activations: number } {
  const match = /^(\d)W(\d)A$/i.exec(text);
  if (!match) throw new InvalidArgumentError("Write it like 1W1A or 4W4A.");
  return { weights: Number(match[1]), activations: Number(match[2]) };
}

export function register(program: Command): void {
  program
    .command("zoo")
    .summary("write a network with random weights")
    .description(
      "Writes a well-known small network with random weights as one ONNX file, the way a real tool exports it: " +
        "something to compile when there is no model at hand. Without a name it lists the networks.",
    )
    .argument("[name]", "the network")
    .option("-o, --out <file.onnx>", "the file; <name>.onnx by default")
    .option("-f, --flavour <tool>", "brevitas, qkeras, qdq or float; hybrid networks: trainer")
    .option("-b, --bits <xWyA>", "bits of weights and activations, such as 1W1A or 4W4A", parseBits)
    .option("-s, --seed <number>", "of the random weights", integer(0, 2 ** 32 - 1), 1)
    .addHelpText("after", "\nExample:\n  hedge zoo ds-cnn --flavour brevitas --bits 4W4A -o ds-cnn.onnx")
    .action(async (name: string | undefined, options: ZooCommandOptions, command: Command) => {
      const [{ zooList, zooModel }, { encodeModel }, { writeNamed }] = await Promise.all([
        import("../zoo/zoo.ts"),
        import("../import/onnx/codec.ts"),
        import("../files.ts"),
      ]);
      if (name === undefined) {
        const networks = zooList();
        printResult(globalOptions(command), { networks }, () =>
          networks.map((n) => `${n.name.padEnd(20)} ${n.summary} (${n.flavours.join(", ")})`).join("\n"),
        );
        return;
      }
      const bytes = encodeModel(zooModel(name, options));
      const file = options.out ?? `${name}.onnx`;
      await writeNamed(file, bytes);
      printResult(globalOptions(command), { file, bytes: bytes.length }, () => `${file}, ${bytes.length} B`);
    });
}
