/**
 * Integers of one grid to those of another by one multiplication, one addition and one shift (Jacob et al. 2018, section 2.2, with a
 * multiplier and an offset per channel). Inputs: x on a grid, `multiplier` and `offset`, integers, one or one per channel. With n the
 * integer of x: q = clip(round((n * multiplier + offset) / 2^shift), low, high); the value is (q - zero) * scale.
 */
import { elementCount, numberOf } from "../graph.ts";
import { fail, type Operator } from "../operator.ts";
import { operandIndex } from "./elementwise.ts";
import { ROUNDING } from "./quant.ts";

/** Products stay below this, so that doubles, and 64-bit integers all the more, hold them exactly. */
export const PRODUCT_LIMIT = 2 ** 53;

const mirrored =
  (round: (magnitude: number) => number) =>
  (x: number): number =>
    Math.sign(x) * round(Math.abs(x));

/** QONNX's rounding modes on exact quotients: those of ROUNDING, less the rounding to float32 that two of them have there. */
export const INTEGER_ROUNDING: Readonly<Record<string, (x: number) => number>> = {
  ...ROUNDING,
  HALF_UP: mirrored((x) => Math.floor(x) + (x - Math.floor(x) >= 0.5 ? 1 : 0)),
  HALF_DOWN: mirrored((x) => Math.floor(x) + (x - Math.floor(x) > 0.5 ? 1 : 0)),
};

export const requant: Operator = {
  op: "requant",
  exactness: "exact on grids",
  shape(node, [x, multiplier, offset]) {
    const grid = x!.grid ?? fail(node, "the input is not on a grid");
    const channels = x!.shape[0]!;
    for (const { name, shape, values } of [multiplier!, offset!]) {
      const count = elementCount(shape);
      if (count !== 1 && count !== channels) fail(node, `"${name}" has ${count} values for ${channels} channels`);
      if (!values?.every(Number.isSafeInteger)) fail(node, `"${name}" holds no constant integers`);
    }
    const reach = Math.max(grid.max, -grid.min);
    const [multiplierOf, offsetOf] = [multiplier!, offset!].map(({ values }) =>
      operandIndex([channels], values!.length),
    );
    for (let c = 0; c < channels; c++) {
      const product = Math.abs(multiplier!.values![multiplierOf!(c)]!) * reach;
      if (product + Math.abs(offset!.values![offsetOf!(c)]!) >= PRODUCT_LIMIT)
        fail(node, "the products of its input and its multiplier reach 2^53");
    }
    const shift = numberOf(node, "shift");
    if (!Number.isInteger(shift) || shift < 0 || shift > 52) fail(node, `it shifts by ${shift}, expected 0 to 52`);
    if (!Object.hasOwn(INTEGER_ROUNDING, String(node.attributes.rounding)))
      fail(node, `it rounds by ${node.attributes.rounding}`);
    return x!.shape;
  },
  grid(node) {
    const zero = numberOf(node, "zero");
    return { step: numberOf(node, "scale"), min: numberOf(node, "low") - zero, max: numberOf(node, "high") - zero };
  },
  run(node, [x, multiplier, offset], shape) {
    const [low, high, zero] = [numberOf(node, "low"), numberOf(node, "high"), numberOf(node, "zero")];
    const scale = numberOf(node, "scale");
    const unit = 2 ** numberOf(node, "shift");
    const round = INTEGER_ROUNDING[String(node.attributes.rounding)]!;
    const { step } = x!.grid!;
    const multiplierOf = operandIndex(shape, multiplier!.values.length);
    const offsetOf = operandIndex(shape, offset!.values.length);
    return x!.values.map((value, i) => {
      const n = Math.round(value / step);
      const scaled = (n * multiplier!.values[multiplierOf(i)]! + offset!.values[offsetOf(i)]!) / unit;
      // Plus 0: some modes round -0.3 to -0, which is no integer of its own.
      return (Math.min(Math.max(round(scaled), low), high) - zero) * scale + 0;
    });
  },
};
