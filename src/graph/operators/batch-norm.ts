/** Batch normalisation at inference: y = gamma (x - mean) / sqrt(variance + epsilon) + beta, per channel (Ioffe & Szegedy 2015). */
import { elementCount, numberOf } from "../graph.ts";
import { fail, type Operator } from "../operator.ts";
import { operandIndex } from "./elementwise.ts";

export const batchNorm: Operator = {
  op: "batchNorm",
  exactness: "float",
  shape(node, [x, ...parameters]) {
    for (const parameter of parameters)
      if (elementCount(parameter.shape) !== x!.shape[0])
        fail(node, `"${parameter.name}" has ${elementCount(parameter.shape)} values for ${x!.shape[0]} channels`);
    return x!.shape;
  },
  grid: () => undefined,
  run(node, [x, gamma, beta, mean, variance], shape) {
    const epsilon = numberOf(node, "epsilon");
    const channelOf = operandIndex(shape, shape[0]!);
    return x!.values.map((v, i) => {
      const c = channelOf(i);
      return (
        (gamma!.values[c]! * (v - mean!.values[c]!)) / Math.sqrt(variance!.values[c]! + epsilon) + beta!.values[c]!
      );
    });
  },
};
