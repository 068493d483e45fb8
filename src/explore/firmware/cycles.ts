/**
 * What instructions come to in time on a real part: an estimate, for the emulator counts instructions and knows no cycles.
 *
 * Arm's Cortex-M4 Technical Reference Manual (r0p1, "Processor instructions") gives 1 cycle for arithmetic and for a load that follows another, 2 for a
 * load that does not, and 1 + P for a branch that is taken, P being 1 to 3 for the pipeline's refill. An operation of wasm3 is about nine instructions, four or
 * five of them loads and the last an indirect branch: 1.4 to 1.8 cycles an instruction. Compiled kernels have fewer loads and branches: 1.1 to 1.4. Flash
 * without wait states, or a cache that hides them, is assumed in both.
 */
const CYCLES = { portable: [1.4, 1.8], native: [1.1, 1.4] } as const;
const CLOCK_HZ = 120e6;

/** Image classification of MLPerf Tiny, closed division, rounds 0.5 to 1.3: milliseconds on a Cortex-M4 at 120 MHz. */
const PUBLISHED: readonly (readonly [string, number])[] = [
  ["TensorFlow Lite Micro (reference)", 704],
  ["microTVM with CMSIS-NN", 390],
  ["Plumerai", 168],
  ["STMicroelectronics X-CUBE-AI", 165],
];

/** Lines for people. */
export function cycleEstimates(instructions: { readonly portable: number; readonly native: number }): string[] {
  const ours = (["portable", "native"] as const).map((profile) => {
    const [low, high] = CYCLES[profile].map((cycles) => (1e3 * instructions[profile] * cycles) / CLOCK_HZ);
    return `${profile.padEnd(36)} ${low!.toFixed(0)} to ${high!.toFixed(0)} ms, at ${CYCLES[profile].join(" to ")} cycles an instruction (assumed)`;
  });
  return [
    "estimated latency of the edge part on a Cortex-M4 at 120 MHz:",
    ...ours,
    "MLPerf Tiny, image classification, Cortex-M4 at 120 MHz (another network, ResNet-8 of 8 bits; published):",
    ...PUBLISHED.map(([name, ms]) => `${name.padEnd(36)} ${ms} ms`),
  ];
}
