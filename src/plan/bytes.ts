/** Byte arrays one after another. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Zeros behind, up to a size. */
export function padded(bytes: Uint8Array, size: number): Uint8Array {
  return joined([bytes, new Uint8Array(size - bytes.length)]);
}
