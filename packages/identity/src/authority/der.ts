// The few DER structures (X.690) that the certificate library does not make: name constraints and a CRL's number.

const sequenceTag = 0x30;
const integerTag = 0x02;

/** One element: tag, length, contents. */
export function derElement(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  const length = contents.reduce((sum, part) => sum + part.length, 0);
  const head = length < 128 ? [tag, length] : [tag, 0x82, length >> 8, length & 0xff];
  const element = new Uint8Array(head.length + length);
  element.set(head);
  let at = head.length;
  for (const part of contents) {
    element.set(part, at);
    at += part.length;
  }
  return element;
}

/** A non-negative integer. */
export function derInteger(value: number): Uint8Array {
  let hex = value.toString(16);
  if (hex.length % 2 !== 0) hex = `0${hex}`;
  const bytes = Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
  return (bytes[0] as number) >= 0x80 ? derElement(integerTag, Uint8Array.of(0), bytes) : derElement(integerTag, bytes);
}

/** What a root may sign TLS certificates for. */
export interface ServerNames {
  /** DNS names; each stands for itself and what is below it. */
  readonly dns: readonly string[];
  /** IPv4 addresses. */
  readonly ip: readonly string[];
}

const dnsNameTag = 0x82;
const addressTag = 0x87;
const permittedTag = 0xa0;

/** NameConstraints (RFC 5280 §4.2.1.10) with these as the only permitted DNS names and addresses. Neither list is empty. */
export function nameConstraints({ dns, ip }: ServerNames): Uint8Array {
  const names = dns.map((name) => derElement(dnsNameTag, new TextEncoder().encode(name)));
  const addresses = ip.map((address) => derElement(addressTag, maskedAddress(address)));
  const subtrees = [...names, ...addresses].map((base) => derElement(sequenceTag, base));
  return derElement(sequenceTag, derElement(permittedTag, ...subtrees));
}

/**
 * Whether a root with {@link nameConstraints} may sign for a DNS name or IPv4 address: for itself, or a DNS name it is below of.
 * Looks for the very bytes that `nameConstraints` writes.
 */
export function permitsName(root: Uint8Array, name: string, isAddress: boolean): boolean {
  const bytes = Buffer.from(root);
  if (isAddress) return bytes.includes(Buffer.from(derElement(addressTag, maskedAddress(name))));
  const labels = name.split('.');
  return labels.some((_, from) =>
    bytes.includes(Buffer.from(derElement(dnsNameTag, new TextEncoder().encode(labels.slice(from).join('.'))))),
  );
}

/** Four bytes of address, four of mask: this address alone. */
function maskedAddress(address: string): Uint8Array {
  return Uint8Array.of(...address.split('.').map(Number), 255, 255, 255, 255);
}
