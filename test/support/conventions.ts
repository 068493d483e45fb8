/** The calling conventions that the firmware's wasm3 can be built with: a name, and the levers of firmware-wasm/wasm3/wasm3.mk. */
export const CONVENTIONS = [
  ["the operations' own convention", {}],
  ["C's convention", { WASM3_CONVENTION: 0 }],
] as const;
