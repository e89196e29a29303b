import { MalformedError } from '../errors.ts';
import type { BoardRoute } from '../http/board-http.ts';
import { noteLimits } from '../notes/note.ts';
import type { CosignatureCollector } from './cosignature-collector.ts';
import { cosignRequestBytesMax, cosignResponse, parseCosignRequest } from './cosigning.ts';
import type { CosignAnswer, Witness } from './witness.ts';

/** `POST add-checkpoint` of a witness (C2SP tlog-witness), as a route. */
export function createWitnessRoute(witness: Pick<Witness, 'cosign'>): BoardRoute {
  return async ({ body }) => {
    const answer = await cosign(witness, await body(cosignRequestBytesMax));
    const { status, contentType, body: text } = cosignResponse(answer);
    return new Response(text, { status, headers: { 'content-type': contentType, 'cache-control': 'no-store' } });
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
