/** The cloud half alone, fed with packed payloads as a worker is. */
import type { Bundle } from "../bundle/bundle.ts";
import { HedgeError } from "../errors.ts";
import { elementCount } from "../graph/graph.ts";
import { unpackPayload } from "../wire/payload.ts";
import { OrtModel, type OrtOptions } from "./ort.ts";

export class CloudHalf {
  private constructor(
    private readonly session: OrtModel,
    private readonly bundle: Bundle,
  ) {}

  /** @throws HedgeError (input) when the bundle has no cloud part or onnxruntime refuses it */
  static async open(bundle: Bundle, options: OrtOptions = {}): Promise<CloudHalf> {
    const { manifest, cloudOnnx } = bundle;
    if (!cloudOnnx || !manifest.payload || !manifest.cloud) {
      throw new HedgeError(
        "input",
        `The bundle ${manifest.name} has no cloud part.`,
        "Give a bundle of a hybrid model.",
      );
    }
    return new CloudHalf(await OrtModel.open(cloudOnnx, `the cloud part of ${manifest.name}`, options), bundle);
  }

  /** Final logits, [payloads, classes]. */
  async run(payloads: readonly Uint8Array[]): Promise<Float32Array> {
    const { payload, cloud } = this.bundle.manifest;
    const size = elementCount(payload!.shape);
    const data = new Float32Array(payloads.length * size);
    payloads.forEach((bytes, i) => {
      data.set(unpackPayload(payload!, bytes), i * size);
    });
    const feeds = { [cloud!.input]: { dims: [payloads.length, ...payload!.shape], data } };
    return (await this.session.run(feeds, [cloud!.output])).get(cloud!.output)!.data;
  }

  close(): Promise<void> {
    return this.session.close();
  }
}
