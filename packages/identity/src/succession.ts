import type { Clock } from '@pulsemesh/base';
import { type PeerId, peerIdOfEd25519 } from '@pulsemesh/wire';
import { StatementRefusedError } from './errors.ts';
import { bytesOf, integerOf, mapOf, secondsOf, timeOf } from './fields.ts';
import { isSignedBy, type Signatory, signFields, splitSigned } from './signed.ts';

const kind = 'pulsemesh/succession/1';
const version = 1;

/** No succession statement is longer, bytes. */
export const successionBytesMax = 320;

/** "What was said to the old key is from now on said to the new one", signed by both. */
export interface Succession {
  readonly from: PeerId;
  readonly to: PeerId;
  readonly createdMs: number;
}

/** The statement by which `from` names `to` its successor. */
export function signSuccession(from: Signatory, to: Signatory, dependencies: { readonly clock: Clock }): Uint8Array {
  const created = secondsOf(dependencies.clock.now());
  return signFields(kind, { v: version, from: from.publicKey, to: to.publicKey, created }, [from, to]);
}

/**
 * What a succession statement says, both signatures checked.
 * @throws {StatementRefusedError} `statement-malformed`, `statement-signature`.
 */
export function verifySuccession(bytes: Uint8Array): Succession {
  const read = () => {
    const signed = splitSigned(bytes, { bytesMax: successionBytesMax, count: 2 });
    const map = mapOf(signed.body, ['v', 'from', 'to', 'created'], { bytesMax: successionBytesMax, depthMax: 1 });
    integerOf(map['v'], version, version);
    return { signed, from: bytesOf(map['from'], 32), to: bytesOf(map['to'], 32), createdMs: timeOf(map['created']) };
  };
  const { signed, from, to, createdMs } = StatementRefusedError.reading('succession', read);
  if (!isSignedBy(kind, signed, 0, from) || !isSignedBy(kind, signed, 1, to))
    throw new StatementRefusedError('succession', 'statement-signature');
  return { from: peerIdOfEd25519(from), to: peerIdOfEd25519(to), createdMs };
}

/**
 * Who `peer` is today, by statements in any order: follows each first successor. Null when a statement names another successor for a key
 * that has one already: then somebody else may hold the old key, and none of it is followed.
 */
export function followSuccessions(peer: PeerId, statements: readonly Succession[]): PeerId | null {
  let current = peer;
  // A chain longer than the statements, or one that comes back, cannot be.
  for (let step = 0; step <= statements.length; step += 1) {
    const next = new Set(statements.filter((statement) => statement.from === current).map((statement) => statement.to));
    if (next.size === 0) return current;
    if (next.size > 1) return null;
    current = next.values().next().value as PeerId; // one is there
  }
  return null;
}
