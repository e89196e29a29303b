import { verifySignature } from '@pulsemesh/crypto';
import { concatBytes, decodeCbor, encodeCbor } from '@pulsemesh/wire';

/** Whoever can sign: an `Identity`, or what signs in its place. */
export interface Signatory {
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** A 64-byte signature. */
  sign(message: Uint8Array): Uint8Array;
}

/** Bytes with the signatures over them, kept as received: nothing is ever encoded again to check it. */
export interface SignedBytes {
  readonly body: Uint8Array;
  readonly signatures: readonly Uint8Array[];
}

const separator = Uint8Array.of(0);

// One signature is never that of a statement of another kind.
function messageOf(kind: string, body: Uint8Array): Uint8Array {
  return concatBytes(new TextEncoder().encode(kind), separator, body);
}

/** `[body, signature, …]` in CBOR: `fields` encoded, signed by each as a statement of `kind`. */
export function signFields(kind: string, fields: unknown, signatories: readonly Signatory[]): Uint8Array {
  const body = encodeCbor(fields);
  const message = messageOf(kind, body);
  // A plain array: the `slice` of a Buffer would share its memory.
  return new Uint8Array(encodeCbor([body, ...signatories.map((signatory) => signatory.sign(message))]));
}

/**
 * The parts of a signed statement with `count` signatures, not yet checked.
 * @throws {DecodeError} · TypeError for another shape.
 */
export function splitSigned(
  bytes: Uint8Array,
  limits: { readonly bytesMax: number; readonly count: number },
): SignedBytes {
  const [body, ...signatures] = decodeCbor(bytes, { bytesMax: limits.bytesMax, depthMax: 1 }) as unknown[];
  if (!(body instanceof Uint8Array) || signatures.length !== limits.count) throw new TypeError('parts');
  return {
    body,
    signatures: signatures.map((signature) => {
      if (!(signature instanceof Uint8Array)) throw new TypeError('signature');
      return signature;
    }),
  };
}

/** True when signature number `index` is `publicKey`'s over a statement of `kind`. */
export function isSignedBy(kind: string, signed: SignedBytes, index: number, publicKey: Uint8Array): boolean {
  const signature = signed.signatures[index];
  return signature !== undefined && verifySignature(publicKey, messageOf(kind, signed.body), signature);
}
