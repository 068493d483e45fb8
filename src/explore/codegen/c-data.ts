/** Parameters as the structs of tools/bench/codegen/natural hold them. */

/** Members one after another; as long as an alignment of 8 wants. */
export function cStruct(...members: readonly ArrayBufferView[]): Uint8Array {
  const bytes = Buffer.concat(
    members.map(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength)),
  );
  return new Uint8Array(Buffer.concat([bytes, Buffer.alloc(-bytes.length & 7)]));
}

/** Bits, lowest first; `count` is a multiple of 8. */
export function packBits(count: number, isSet: (index: number) => boolean): Uint8Array {
  const bytes = new Uint8Array(count / 8);
  for (let i = 0; i < count; i++) if (isSet(i)) bytes[i >> 3]! |= 1 << (i & 7);
  return bytes;
}

/** 3x3 filters [outputs, channels, 3, 3] in the order [outputs, 3, 3, channels]. */
export function tapsOutermost(weights: readonly number[], channels: number): Int8Array {
  return Int8Array.from(weights, (_, i) => {
    const [c, tap, k] = [i % channels, Math.floor(i / channels) % 9, Math.floor(i / (9 * channels))];
    return weights[(k * channels + c) * 9 + tap]!;
  });
}

/** A bit for each weight, by weight, channel and output; ordered as by `tapsOutermost`. */
export function packFilters(
  weights: readonly number[],
  channels: number,
  isSet: (weight: number, c: number, k: number) => boolean,
): Uint8Array {
  const ordered = tapsOutermost(weights, channels);
  return packBits(ordered.length, (i) => isSet(ordered[i]!, i % channels, Math.floor(i / (9 * channels))));
}
