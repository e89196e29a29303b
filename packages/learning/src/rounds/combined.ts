import type { RoundStep } from '@pulsemesh/board';
import { contentId } from '@pulsemesh/wire';
import type { Party } from '../party/party.ts';
import { epsilonAfterRound } from './contracts.ts';
import { bytesOfVector } from './part-codec.ts';
import { countsClipped } from './settings.ts';
import type { Accountant, Combine, RoundOfWork } from './work.ts';

/** What follows from a sum, written down, and the words about it for the board. */
export async function combined(
  scope: Party,
  round: RoundOfWork,
  sum: { readonly words: Uint32Array; readonly sites: number },
  dependencies: { readonly combine: Combine; readonly accountant: Accountant | null },
): Promise<{ readonly closed: Extract<RoundStep, { readonly name: 'closed' }>; readonly output: Uint8Array }> {
  const { task } = round;
  const { words, sites } = sum;
  const vector = countsClipped(task) ? words.slice(0, -1) : words;
  const output = await scope.once('combine', () => dependencies.combine.combine(round, { vector, sites }));
  const closed = {
    name: 'closed',
    outcome: 'summed',
    sumHash: contentId(bytesOfVector(words)),
    output: contentId(output),
    sites,
    ...(countsClipped(task) ? { clipped: words[words.length - 1] as number } : {}),
    epsilon: epsilonAfterRound(task, dependencies.accountant, round.round),
  } as const;
  return { closed, output };
}
