import { equalSecrets, hkdfSha256, hmacSha256, type Signer, verifySignature } from '@pulsemesh/crypto';
import { concatBytes, DecodeError, decodeCbor, encodeCbor } from '@pulsemesh/wire';
import { lanLimits } from './lan-parameters.ts';

/** What a peer says of itself to a local network (spec overlay §11). It names neither its address nor, mostly, itself. */
export interface LanHello {
  /** 8 bytes: zeros, or by which members of a site know each other's hellos, see {@link Site}. */
  readonly tag: Uint8Array;
  /** Ed25519, 32 bytes: made for one network and day, or the node's own within a site. */
  readonly publicKey: Uint8Array;
  /** TCP port at the address that the hello came from, 1 … 65535. */
  readonly port: number;
  /** 8 random bytes. */
  readonly nonce: Uint8Array;
  /** Unix seconds; greater with each hello of a key, so that none counts twice. */
  readonly expiresAtSeconds: number;
  /** Sum of {@link lanCapability} bits. */
  readonly capabilities: number;
}

/** What a hello says beyond being one. */
export const lanCapability = {
  /** The peer has links that lead beyond this network. */
  beyond: 1,
} as const;

/** A hello as it came: its form is right, its signature not looked at yet. */
export interface ReceivedHello extends LanHello {
  readonly body: Uint8Array;
  readonly signature: Uint8Array;
}

/**
 * A site whose members share a secret. The specification sends 8 bytes derived from the secret alone, which whoever hears
 * one hello could repeat and by which a laptop would be known elsewhere; here they depend on the rest of the hello too.
 */
export interface Site {
  tagOf(content: Omit<LanHello, 'tag'>): Uint8Array;
}

const signatureBytes = 64;
const tagBytes = 8;
const noTag = new Uint8Array(tagBytes);
const context = new TextEncoder().encode('upsycle/lan-hello/1');

/** The site of a secret, 32 bytes. */
export function createSite(secret: Uint8Array): Site {
  const key = hkdfSha256({ key: secret, info: 'upsycle/lan-site/1', length: 32 });
  return { tagOf: (content) => hmacSha256(key, bodyOf({ ...content, tag: noTag })).subarray(0, tagBytes) };
}

/** A signed hello: deterministic CBOR of [1, tag, key, port, nonce, expiry, capabilities], then 64 bytes of signature. */
export function encodeHello(
  said: Omit<LanHello, 'tag' | 'publicKey'>,
  signer: Signer,
  site: Site | undefined,
): Uint8Array {
  const content = { ...said, publicKey: signer.publicKey };
  const body = bodyOf({ ...content, tag: site?.tagOf(content) ?? noTag });
  return concatBytes(body, signer.sign(concatBytes(context, body)));
}

/** The hello in `bytes`, null where there is none; see {@link isSigned}. */
export function readHello(bytes: Uint8Array): ReceivedHello | null {
  const cut = bytes.length - signatureBytes;
  if (cut <= 0 || bytes.length > lanLimits.helloBytesMax) return null;
  const body = bytes.slice(0, cut);
  const hello = parseBody(body);
  return hello === null ? null : { ...hello, body, signature: bytes.slice(cut) };
}

/** Whether the hello is of our network: of our site, or of none where we have none. */
export function isOfSite(hello: LanHello, site: Site | undefined): boolean {
  return equalSecrets(hello.tag, site?.tagOf(hello) ?? noTag);
}

/** Whether its key signed it. */
export function isSigned({ publicKey, body, signature }: ReceivedHello): boolean {
  return verifySignature(publicKey, concatBytes(context, body), signature);
}

function bodyOf({ tag, publicKey, port, nonce, expiresAtSeconds, capabilities }: LanHello): Uint8Array {
  return encodeCbor([1, tag, publicKey, port, nonce, expiresAtSeconds, capabilities]);
}

function parseBody(body: Uint8Array): LanHello | null {
  let value: unknown;
  try {
    value = decodeCbor(body, { bytesMax: lanLimits.helloBytesMax, depthMax: 2 });
  } catch (error) {
    if (error instanceof DecodeError) return null;
    throw error;
  }
  if (!Array.isArray(value) || value.length !== 7 || value[0] !== 1) return null;
  const [, tag, publicKey, port, nonce, expiresAtSeconds, capabilities] = value as unknown[];
  if (!isBytes(tag, tagBytes) || !isBytes(publicKey, 32) || !isBytes(nonce, 8)) return null;
  if (!isCount(port) || port < 1 || port > 65_535 || !isCount(expiresAtSeconds) || !isCount(capabilities)) return null;
  return { tag, publicKey, port, nonce, expiresAtSeconds, capabilities };
}

function isBytes(value: unknown, length: number): value is Uint8Array {
  return value instanceof Uint8Array && value.length === length;
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
