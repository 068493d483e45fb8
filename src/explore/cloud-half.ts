/** The cloud half alone, fed with packed payloads as a worker is. */
import type { Bundle } from "../bundle/bundle.ts";
import { type HybridManifest, requireHybrid } from "../bundle/manifest.ts";
import { elementCount } from "../graph/graph.ts";
import { unpackPayload } from "../wire/payload.ts";
import { OrtModel, type OrtOptions } from "./ort.ts";

export class CloudHalf {
  private constructor(
    private readonly session: OrtModel,
    private readonly manifest: HybridManifest,
  ) {}

  /** @throws HedgeError (input) when the bundle is edge-only or onnxruntime refuses its cloud part */
  static async open(bundle: Bundle, options: OrtOptions = {}): Promise<CloudHalf> {
    const manifest = requireHybrid(bundle.manifest);
    return new CloudHalf(
      await OrtModel.open(bundle.cloudOnnx!, `the cloud part of ${manifest.name}`, options),
      manifest,
    );
  }

  /** Final logits, [payloads, classes]. */
  async run(payloads: readonly Uint8Array[]): Promise<Float32Array> {
    const { payload, cloud } = this.manifest;
    const size = elementCount(payload.shape);
    const data = new Float32Array(payloads.length * size);
    payloads.forEach((bytes, i) => {
      data.set(unpackPayload(payload, bytes), i * size);
    });
    const feeds = { [cloud.input]: { dims: [payloads.length, ...payload.shape], data } };
    return (await this.session.run(feeds, [cloud.output])).get(cloud.output)!.data;
  }

  close(): Promise<void> {
    return this.session.close();
  }
}
