import type { Random } from '@pulsemesh/base';
import { sha256 } from '@pulsemesh/crypto';
import { concatBytes, equalBytes } from '@pulsemesh/wire';
import { idBytes } from '../../inbox-id.ts';

/**
 * How the content of an envelope is to be taken. `plain`: a message of somebody who says nothing about pair sessions (clients in other
 * languages do not); `message`: one of somebody who knows them; `again`: a message that was sealed in a session before, after its
 * first id; `control`: for the client, not for the application.
 */
export type EnvelopeKind = 'plain' | 'message' | 'again' | 'control';

const marked = ['message', 'again', 'control'] as const;
const label = new TextEncoder().encode('pulsemesh/relay/1 envelope kind');
const drawnBytes = idBytes / 2;

/**
 * The id inside an envelope, which no relay sees: 8 random bytes, then 8 of SHA-256(label ‖ those ‖ kind). So the kind needs no
 * field that older readers would refuse. Undefined for `plain`: any id.
 */
export function envelopeIdOf(kind: EnvelopeKind, random: Random): Uint8Array | undefined {
  if (kind === 'plain') return undefined;
  const drawn = random.bytes(drawnBytes);
  return concatBytes(drawn, tagOf(drawn, kind));
}

export function kindOfEnvelope(id: Uint8Array): EnvelopeKind {
  const drawn = id.subarray(0, drawnBytes);
  return marked.find((kind) => equalBytes(id.subarray(drawnBytes), tagOf(drawn, kind))) ?? 'plain';
}

function tagOf(drawn: Uint8Array, kind: EnvelopeKind): Uint8Array {
  return sha256(concatBytes(label, drawn, new TextEncoder().encode(kind))).subarray(0, idBytes - drawnBytes);
}
