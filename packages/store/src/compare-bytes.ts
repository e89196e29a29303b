/** Negative, zero or positive as `a` sorts before, with or after `b`: byte by byte, shorter first. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b);
}
