/** Lower-case hex without a prefix. A `Buffer`'s, which is several times quicker than what works in browsers too. */
export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}

/** The bytes of `toHex`'s text. The caller knows that it is hex. */
export function fromHex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'hex'));
}
