/** Plans the pooling in front of an exit and the payload for the native kernels `exit_pool` and `pack_levels`. */
import { bufferName, type Draft } from "./draft.ts";
import { nativeForm } from "./native-descriptor.ts";
import type { ExitPoolLayer, PayloadLayer } from "./plan.ts";

/** @param draft of the portable kernel */
export function nativeExitPool(draft: Draft): Draft {
  const words = ({ input, output, inputShape, window, shift, scratch }: ExitPoolLayer): number[] => [
    input.address,
    output.address,
    ...inputShape,
    ...window,
    shift,
    scratch.address,
  ];
  return nativeForm(draft, bufferName("shifts", draft.name), "exit_pool", words, 9);
}

/** @param draft of the portable kernel */
export function nativePayload(draft: Draft): Draft {
  const words = ({ input, output, inputShape, bits, scratch }: PayloadLayer): number[] => [
    input.address,
    output.address,
    inputShape[0],
    inputShape[1] * inputShape[2],
    bits,
    scratch.address,
  ];
  return nativeForm(draft, bufferName("thresholds", draft.name), "pack_levels", words, 6);
}
