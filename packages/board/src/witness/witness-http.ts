import type { Clock } from '@pulsemesh/base';
import { MalformedError } from '../errors.ts';
import { refusal, refusalOf } from '../http/answers.ts';
import { type BoardHttp, type BoardRoute, boardHttpPrefix } from '../http/board-http.ts';
import { readBody } from '../http/body.ts';
import { noteLimits } from '../notes/note.ts';
import type { CosignatureCollector } from './cosignature-collector.ts';
import { cosignRequestBytesMax, cosignResponse, parseCosignRequest } from './cosigning.ts';
import type { CosignAnswer, Witness } from './witness.ts';

/** How long the body of a request may take. */
const bodyMs = 10_000;

/** A witness as HTTP: `POST <prefix>/add-checkpoint` (C2SP tlog-witness), and nothing else. Never throws for what a client sends. */
export function createWitnessHttp(
  witness: Pick<Witness, 'cosign'>,
  dependencies: { readonly clock: Clock },
  prefix: string = boardHttpPrefix,
): BoardHttp {
  return async (request) => {
    const isAsked = request.method === 'POST' && new URL(request.url).pathname === `${prefix}/add-checkpoint`;
    if (!isAsked) return refusal(404, 'not-found', 'there is nothing here');
    try {
      const limits = { bytesMax: cosignRequestBytesMax, withinMs: bodyMs };
      const answer = await cosign(witness, await readBody(request, limits, dependencies.clock));
      const { status, contentType, body } = cosignResponse(answer);
      return new Response(body, { status, headers: { 'content-type': contentType, 'cache-control': 'no-store' } });
    } catch (error) {
      return refusalOf(error);
    }
  };
}

async function cosign(witness: Pick<Witness, 'cosign'>, body: Uint8Array): Promise<CosignAnswer> {
  try {
    return await witness.cosign(parseCosignRequest(body));
  } catch (error) {
    if (error instanceof MalformedError) return { kind: 'malformed' };
    throw error;
  }
}

/**
 * What a board offers to witnesses that come by themselves: `GET pending`, the checkpoint that waits for them, and `POST cosignatures`, a
 * note with their signatures.
 */
export function createCollectorRoutes(collector: CosignatureCollector): Readonly<Record<string, BoardRoute>> {
  return {
    'GET pending': () =>
      new Response(new Uint8Array(collector.pending), {
        headers: { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-cache' },
      }),
    'POST cosignatures': async ({ body }) =>
      Response.json(
        { taken: collector.take(await body(noteLimits.bytesMax)) },
        { headers: { 'cache-control': 'no-store' } },
      ),
  };
}
