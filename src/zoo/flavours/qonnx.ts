/** What the QONNX flavours have in common: where quantisers stand behind layers, and of how many bits they are. */
import { type Activation, Exporter, type Feature } from "../exporter.ts";

/** Of inputs, of what a sum adds, and of averages. */
export const STREAM_BITS = 8;

export abstract class QonnxExporter extends Exporter {
  /** Behind tensor `x` a quantiser that fits values of the given power. */
  protected abstract quantised(
    x: string,
    name: string,
    shape: readonly number[],
    power: number,
    bits: number,
    signed: boolean,
  ): Feature;

  /** ReLU and an unsigned quantiser; the sign for one bit; without an activation, an 8-bit quantiser. ReLU6 is left to the clipping. */
  protected activated(
    x: string,
    name: string,
    shape: readonly number[],
    activation: Activation,
    power: number,
  ): Feature {
    const bits = this.bits.activations;
    if (activation === "none") return this.quantised(x, `${name}.quant`, shape, power, STREAM_BITS, true);
    if (bits === 1) return this.quantised(x, `${name}.sign`, shape, power, 1, true);
    const relu = this.add("Relu", [x], `${name}.relu`);
    const quantised = this.quantised(relu, `${name}.quant`, shape, power, bits, false);
    return { ...quantised, power: this.powerAfter(activation, power) };
  }
}
