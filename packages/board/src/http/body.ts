import { type Clock, Condition, withTimeout } from '@pulsemesh/base';
import { concatBytes } from '@pulsemesh/wire';

/** A request's body is longer than it may be, or does not come in time. */
export class BodyRefusedError extends Condition {
  override readonly name = 'BodyRefusedError';
  constructor(reason: 'too-long' | 'broken') {
    super('board-body-refused', `the request's body is refused: ${reason}`, { facts: { reason } });
  }
}

/**
 * The whole body of a request, read within `withinMs`.
 * @throws {BodyRefusedError} past `bytesMax` bytes, or when it breaks off · {TimeoutError} when it does not end in time.
 */
export async function readBody(
  request: Request,
  limits: { readonly bytesMax: number; readonly withinMs: number },
  clock: Clock,
): Promise<Uint8Array> {
  if (Number(request.headers.get('content-length') ?? 0) > limits.bytesMax) throw new BodyRefusedError('too-long');
  const reader = request.body?.getReader();
  if (reader === undefined) return new Uint8Array(0);
  try {
    return await withTimeout(clock, 'reading a body', limits.withinMs, () => readAll(reader, limits.bytesMax));
  } catch (error) {
    // Whoever sends on is not listened to any more; that this fails too when the connection is gone changes nothing.
    reader.cancel().catch(() => {});
    throw error instanceof Condition ? error : new BodyRefusedError('broken');
  }
}

async function readAll(reader: ReadableStreamDefaultReader<Uint8Array>, bytesMax: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return concatBytes(...chunks);
    length += value.length;
    if (length > bytesMax) throw new BodyRefusedError('too-long');
    if (value.length > 0) chunks.push(value);
  }
}
