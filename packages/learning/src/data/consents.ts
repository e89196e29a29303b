import { hashLeaf, hashNode } from '@pulsemesh/board/verify';
import { hmacSha256, sha256 } from '@pulsemesh/crypto';
import { compareBytes, concatBytes, toHex } from '@pulsemesh/wire';

/** A patient's consent as a site holds it. */
export interface Consent {
  /** Names it where it is anchored: 64 lower-case hex digits. */
  readonly id: string;
  readonly patient: string;
  /** Each names one purpose; `research/` with a star at the end is not one. */
  readonly purposes: readonly string[];
  readonly fromMs: number;
  /** From then on it holds no longer. */
  readonly untilMs: number;
  /** Null while it stands. */
  readonly withdrawnMs: number | null;
}

/** Where a site finds its patients' consents: grants on the ledger, or its own register. */
export interface ConsentRegister {
  /** All that ever named the purpose; those that do not hold now are sorted out by who asks. */
  consentsFor(purpose: string): Promise<readonly Consent[]>;
}

/** The consents that name the purpose and hold now, one for each patient: the one that holds longest. */
export function consentsInForce(
  consents: readonly Consent[],
  { purpose, nowMs }: { readonly purpose: string; readonly nowMs: number },
): ReadonlyMap<string, Consent> {
  const byPatient = new Map<string, Consent>();
  for (const consent of consents) {
    if (!isInForce(consent, { purpose, nowMs })) continue;
    const other = byPatient.get(consent.patient);
    if (other === undefined || other.untilMs < consent.untilMs) byPatient.set(consent.patient, consent);
  }
  return byPatient;
}

/** True when the consent names the purpose, has begun, has not run out and was not withdrawn. */
export function isInForce(
  consent: Consent,
  { purpose, nowMs }: { readonly purpose: string; readonly nowMs: number },
): boolean {
  const isStanding = consent.withdrawnMs === null || consent.withdrawnMs > nowMs;
  return isStanding && consent.purposes.includes(purpose) && consent.fromMs <= nowMs && consent.untilMs > nowMs;
}

/** A consent's place under a contract's `consentsHash`: what the patient, or an auditor the site shows it to, checks. */
export interface ConsentProof {
  readonly consent: string;
  /** Of this consent under this task alone; 32 bytes. Without it a leaf tells nothing, not even to who knows the consent. */
  readonly salt: Uint8Array;
  readonly index: number;
  readonly size: number;
  /** From the leaf's sibling upwards, as `verifyInclusion` of @pulsemesh/board takes it. */
  readonly path: readonly Uint8Array[];
}

/** Consents under one root. */
export interface ConsentTree {
  /** As the contract says it: 64 lower-case hex digits. */
  readonly root: string;
  readonly proofs: ReadonlyMap<string, ConsentProof>;
}

/**
 * The Merkle tree (RFC 6962) of consents, salted and in the order of their leaves, so that neither names nor order tell anything.
 * `secret` is the site's own, 32 bytes; same secret, task and consents, same root.
 */
export function consentTreeOf(consents: readonly string[], { taskId, secret }: ConsentSalt): ConsentTree {
  const leaves = [...new Set(consents)].map((consent) => {
    const salt = hmacSha256(secret, new TextEncoder().encode(`consent\0${taskId}\0${consent}`));
    return { consent, salt, hash: consentLeafHash(consent, salt) };
  });
  leaves.sort((one, other) => compareBytes(one.hash, other.hash));
  const paths = leaves.map((): Uint8Array[] => []);
  const root = build(
    leaves.map(({ hash }) => hash),
    0,
    paths,
  );
  const size = leaves.length;
  return {
    root: toHex(root),
    proofs: new Map(
      leaves.map(({ consent, salt }, index) => [consent, { consent, salt, index, size, path: paths[index] ?? [] }]),
    ),
  };
}

export interface ConsentSalt {
  readonly taskId: string;
  readonly secret: Uint8Array;
}

/** What of a consent is under the root. */
export function consentLeafHash(consent: string, salt: Uint8Array): Uint8Array {
  return hashLeaf(concatBytes(salt, new TextEncoder().encode(consent)));
}

/** The root of these leaves; adds to each leaf's path, whose places begin at `first`. */
function build(hashes: readonly Uint8Array[], first: number, paths: readonly Uint8Array[][]): Uint8Array {
  const [only] = hashes;
  if (only === undefined) return sha256(new Uint8Array(0));
  if (hashes.length === 1) return only;
  // The left subtree holds the largest power of two of leaves that leaves something to the right.
  const split = 2 ** Math.floor(Math.log2(hashes.length - 1));
  const left = build(hashes.slice(0, split), first, paths);
  const right = build(hashes.slice(split), first + split, paths);
  for (let place = 0; place < hashes.length; place += 1) paths[first + place]?.push(place < split ? right : left);
  return hashNode(left, right);
}
