/** Standard base64 with padding (RFC 4648 §4). */
export function toBase64(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

const form = /^[A-Za-z0-9+/]*={0,2}$/;

/** The bytes of standard base64; null for any but the one spelling of them. The caller bounds the length of `text`. */
export function fromBase64(text: string): Uint8Array | null {
  if (text.length % 4 !== 0 || !form.test(text)) return null;
  const binary = decoded(text);
  // Bits that belong to no byte must be zero: another spelling would be another text of the same signature.
  if (binary === null || btoa(binary) !== text) return null;
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

function decoded(text: string): string | null {
  try {
    return atob(text);
  } catch {
    return null; // padding where none may be
  }
}
