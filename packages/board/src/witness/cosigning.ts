import { concatBytes } from '@pulsemesh/wire';
import { MalformedError } from '../errors.ts';
import { proofHashesMax } from '../merkle/verify.ts';
import { fromBase64, toBase64 } from '../notes/base64.ts';
import { parseDecimal } from '../notes/checkpoint.ts';
import { noteLimits } from '../notes/note.ts';
import type { CosignAnswer, CosignRequest } from './witness.ts';

/** Lines of a proof in a request (C2SP tlog-witness §add-checkpoint). */
const proofLinesMax = Math.min(63, proofHashesMax);

/** Bytes of the body of an `add-checkpoint` request. */
export const cosignRequestBytesMax = noteLimits.bytesMax + 64 * 64;

/** The body of `add-checkpoint` (C2SP tlog-witness). */
export function formatCosignRequest({ oldSize, proof, note }: CosignRequest): Uint8Array {
  const lines = [`old ${oldSize}`, ...proof.map(toBase64)];
  return concatBytes(new TextEncoder().encode(`${lines.join('\n')}\n\n`), note);
}

/** @throws {MalformedError} */
export function parseCosignRequest(body: Uint8Array): CosignRequest {
  if (body.length > cosignRequestBytesMax) throw new MalformedError('add-checkpoint request', 'too long');
  const border = borderOf(body);
  const [first = '', ...lines] = new TextDecoder().decode(body.subarray(0, border)).split('\n');
  const oldSize = first.startsWith('old ') ? parseDecimal(first.slice(4)) : null;
  if (oldSize === null || lines.length > proofLinesMax) throw new MalformedError('add-checkpoint request', 'its head');
  const proof = lines.map((line) => {
    const hash = fromBase64(line);
    if (hash?.length !== 32) throw new MalformedError('add-checkpoint request', 'a line that is no hash');
    return hash;
  });
  return { oldSize, proof, note: body.slice(border + 2) };
}

function borderOf(body: Uint8Array): number {
  for (let at = body.indexOf(0x0a); at >= 0; at = body.indexOf(0x0a, at + 1)) if (body[at + 1] === 0x0a) return at;
  throw new MalformedError('add-checkpoint request', 'no empty line');
}

/** A witness's answer as HTTP (C2SP tlog-witness). */
export interface CosignResponse {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

const plain = 'text/plain; charset=utf-8';

const refusals = {
  malformed: { status: 400, body: 'not a request of this protocol\n' },
  'unknown-log': { status: 404, body: 'this witness does not know the log\n' },
  unsigned: { status: 403, body: 'the log did not sign the checkpoint\n' },
  inconsistent: { status: 422, body: 'the checkpoint does not continue what this witness saw\n' },
  busy: { status: 503, body: 'too many requests wait\n' },
} as const;

/** Status, type and body for an answer. */
export function cosignResponse(answer: CosignAnswer): CosignResponse {
  if (answer.kind === 'cosigned') return { status: 200, contentType: plain, body: answer.line };
  if (answer.kind === 'conflict') return { status: 409, contentType: 'text/x.tlog.size', body: `${answer.size}\n` };
  return { contentType: plain, ...refusals[answer.kind] };
}
