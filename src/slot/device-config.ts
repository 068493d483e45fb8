/**
 * What a device is told once, in its flash: firmware-wasm/core/config.h reads it. 16 bytes (magic, format, length, CRC-32 of what
 * follows), then a msgpack array of scalars.
 */
import { crc32 } from "node:zlib";
import { Packr } from "msgpackr";
import { z } from "zod";
import { HedgeError } from "../errors.ts";
import { scan } from "../wire/scan.ts";
import { isName } from "../wire/topics.ts";
import { POINT_BYTES } from "./keys.ts";

const MAGIC = "HDGC";
const FORMAT = 1;
const HEAD_BYTES = 16;

/** At most a day. */
const milliseconds = z.int().min(1).max(86_400_000);
const port = z.int().min(1).max(65535);
/** A name or an address; 64 bytes with the zero that ends it in C. */
const host = z.string().regex(/^[A-Za-z0-9.:_-]{0,63}$/, "it is no host name or address of at most 63 characters");
const blob = z.custom<Uint8Array>(
  (value) => value instanceof Uint8Array && value.length <= 4096,
  "it is not at most 4096 bytes",
);
const point = blob.refine((bytes) => bytes.length === POINT_BYTES && bytes[0] === 4, "it is no public key of P-256");
const empty = new Uint8Array();

const schema = z
  .strictObject({
    /** Its name: the MQTT client id. */
    id: z.string().refine(isName, 'it is not 1 to 23 letters, digits, "-" and "_", a letter or digit first'),
    transport: z.enum(["uart", "mqtt"]),
    broker: host.default(""),
    brokerPort: port.default(1883),
    tls: z.boolean().default(false),
    /** X.509 DER: whom the device trusts as its broker; its own certificate and private key. */
    ca: blob.default(empty),
    certificate: blob.default(empty),
    key: blob.default(empty),
    /** SNTP; empty where time comes over the link. */
    timeServer: host.default(""),
    timePort: port.default(123),
    /** Public keys whose models it takes: uncompressed points. */
    signers: z.array(point).max(2, "at most two can be trusted").readonly(),
    /** From the edge's answer to the cloud's. */
    deadlineMs: milliseconds.default(10_000),
    /** Pauses between offers of a sample. */
    retryFirstMs: milliseconds.default(500),
    retryLongestMs: milliseconds.default(8_000),
    /** A model on trial that is not confirmed by then is given up. */
    confirmMs: milliseconds.default(60_000),
  })
  .refine(({ transport, broker }) => transport === "uart" || broker !== "", "over MQTT it needs a broker")
  .refine(({ tls, ca }) => !tls || ca.length > 0, "with TLS it needs the certificate of an authority (--ca)")
  .refine(
    ({ certificate, key }) => certificate.length > 0 === key.length > 0,
    "a certificate and its key go together (--cert, --key)",
  )
  .refine(({ retryFirstMs, retryLongestMs }) => retryFirstMs <= retryLongestMs, "retryFirstMs is above retryLongestMs");

export type DeviceConfig = z.infer<typeof schema>;
/** What may be left out has a default. */
export type DeviceConfigInput = z.input<typeof schema>;

const TRANSPORTS = ["uart", "mqtt"] as const satisfies readonly DeviceConfig["transport"][];

/** Field by field as the block holds them. */
const ITEMS = 16;
const codec = new Packr({ useRecords: false, copyBuffers: true });
const REMEDY = "Mend that value: hedge board run --help says what there is.";

/** @throws HedgeError (input) naming the value that is not right */
export function checkConfig(config: DeviceConfigInput, where: string): DeviceConfig {
  const parsed = schema.safeParse(config);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  throw new HedgeError("input", `${where} is not right: ${[...path, message].join(": ")}.`, REMEDY);
}

/**
 * The block for a device's flash.
 * @throws HedgeError (input) naming the value that is not right, or when the block is larger than `room`
 */
export function encodeConfig(config: DeviceConfigInput, room: number): Uint8Array {
  const c = checkConfig(config, `The configuration of ${config.id}`);
  const items = [
    c.id,
    TRANSPORTS.indexOf(c.transport),
    c.broker,
    c.brokerPort,
    c.tls ? 1 : 0,
    Buffer.from(c.ca),
    Buffer.from(c.certificate),
    Buffer.from(c.key),
    c.timeServer,
    c.timePort,
    Buffer.from(c.signers[0] ?? empty),
    Buffer.from(c.signers[1] ?? empty),
    c.deadlineMs,
    c.retryFirstMs,
    c.retryLongestMs,
    c.confirmMs,
  ];
  const packed = codec.pack(items);
  const head = Buffer.alloc(HEAD_BYTES);
  head.write(MAGIC, 0, "latin1");
  head.writeUInt32LE(FORMAT, 4);
  head.writeUInt32LE(packed.length, 8);
  head.writeUInt32LE(crc32(packed), 12);
  if (head.length + packed.length > room) {
    const sentence = `The configuration of ${c.id} takes ${head.length + packed.length} bytes, and its place has ${room}.`;
    throw new HedgeError(
      "input",
      sentence,
      "Take smaller certificates: of ECDSA over P-256, and the authority's only.",
    );
  }
  return Buffer.concat([head, packed]);
}

/**
 * Reads a block, or the flash that starts with one.
 * @param where names it in the error
 * @throws HedgeError (input) when there is none, or it is damaged
 */
export function decodeConfig(area: Uint8Array, where: string): DeviceConfig {
  const view = Buffer.from(area.buffer, area.byteOffset, area.byteLength);
  const invalid = (what: string) => new HedgeError("input", `${where} ${what}.`, "Write the configuration again.");
  if (view.length < HEAD_BYTES || view.toString("latin1", 0, 4) !== MAGIC) throw invalid("holds no configuration");
  if (view.readUInt32LE(4) !== FORMAT) throw invalid(`holds a configuration of format ${view.readUInt32LE(4)}`);
  const length = view.readUInt32LE(8);
  const packed = view.subarray(HEAD_BYTES, HEAD_BYTES + length);
  if (packed.length !== length || crc32(packed) !== view.readUInt32LE(12))
    throw invalid("is damaged: its check differs");
  const { items, flaw } = { items: 0, ...scan(packed) };
  if (flaw !== undefined || items !== ITEMS) throw invalid(`is no configuration: it ${flaw ?? `has ${items} items`}`);
  const v = codec.unpack(packed) as unknown[];
  const raw = {
    id: v[0],
    transport: TRANSPORTS[v[1] as number],
    broker: v[2],
    brokerPort: v[3],
    tls: v[4] === 1,
    ca: v[5],
    certificate: v[6],
    key: v[7],
    timeServer: v[8],
    timePort: v[9],
    signers: [v[10], v[11]].filter((signer) => !(signer instanceof Uint8Array) || signer.length > 0),
    deadlineMs: v[12],
    retryFirstMs: v[13],
    retryLongestMs: v[14],
    confirmMs: v[15],
  };
  return checkConfig(raw as DeviceConfigInput, where);
}
