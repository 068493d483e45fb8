/** QMP, QEMU's protocol of control: JSON, a line each. One command per connection is all that is needed here, and QEMU serves one at a time. */
import type { Socket } from "node:net";
import { createInterface } from "node:readline";
import { z } from "zod";
import { HedgeError } from "../errors.ts";
import { connectUnix } from "./unix-socket.ts";

/** Milliseconds that QEMU may take for an answer. */
const PATIENCE = 30_000;

const replySchema = z.looseObject({
  id: z.literal("hedge").optional(),
  return: z.unknown(),
  error: z.looseObject({ desc: z.string() }).optional(),
});

/**
 * Gives QEMU a command.
 * @param socket path of its QMP socket
 * @throws HedgeError (network) when no QEMU listens there, or it refuses
 */
export async function qmp(socket: string, command: string, parameters: object = {}): Promise<unknown> {
  const connection = await connectQmp(socket);
  connection.setTimeout(PATIENCE, () => connection.destroy());
  try {
    const lines = createInterface(connection)[Symbol.asyncIterator]();
    const ask = async (execute: string, args: object): Promise<unknown> => {
      connection.write(`${JSON.stringify({ execute, arguments: args, id: "hedge" })}\n`);
      for (;;) {
        const { value, done } = await lines.next();
        if (done) throw silent(socket);
        const reply = replySchema.safeParse(JSON.parse(value));
        // Greetings and events bear no id.
        if (!reply.success || reply.data.id === undefined) continue;
        const { error } = reply.data;
        if (error)
          throw new HedgeError("network", `QEMU refuses "${execute}": ${error.desc}.`, "Start the board again.");
        return reply.data.return;
      }
    };
    await ask("qmp_capabilities", {});
    return await ask(command, parameters);
  } finally {
    connection.destroy();
  }
}

/** Ends QEMU: it closes the connection, perhaps before it has answered. */
export async function quit(socket: string): Promise<void> {
  await qmp(socket, "quit").catch((error) => {
    if (!(error instanceof HedgeError && error.cause === CLOSED)) throw error;
  });
}

const CLOSED = new Error("the connection was closed");

function silent(socket: string): HedgeError {
  return new HedgeError("network", `QEMU at ${socket} gave no answer.`, "Stop the board and start it again.", {
    cause: CLOSED,
  });
}

/** Whether a QEMU listens there. */
export async function isListening(socket: string): Promise<boolean> {
  const connection = await connectUnix(socket).catch(() => undefined);
  connection?.destroy();
  return connection !== undefined;
}

async function connectQmp(socket: string): Promise<Socket> {
  try {
    return await connectUnix(socket);
  } catch (cause) {
    throw new HedgeError("network", `No QEMU listens at ${socket}.`, "Start the board: hedge board run.", { cause });
  }
}
