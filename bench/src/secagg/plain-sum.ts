import { maskedStep } from '@pulsemesh/learning';
import { type Cost, Meter } from './meter.ts';

const run = new Uint8Array(16);

/** The limit: each site sends its vector as it is, in the same message, and the server adds. */
export async function runPlainSum(vectors: readonly Uint32Array[], gone: number): Promise<Cost> {
  const present = vectors.slice(gone);
  const meter = new Meter(present.length);
  const sum = new Int32Array(present[0]?.length ?? 0);
  for (const [index, words] of present.entries()) {
    const bytes = await meter.client(index, () => maskedStep.encode({ run, words }));
    meter.up(index, bytes);
    await meter.server(() => addTo(sum, maskedStep.decode(bytes).words));
  }
  return meter.cost(present.length);
}

function addTo(sum: Int32Array, words: Uint32Array): void {
  const terms = new Int32Array(words.buffer, words.byteOffset, words.length);
  for (let at = 0; at < sum.length; at += 1) sum[at] = ((sum[at] as number) + (terms[at] as number)) | 0;
}
