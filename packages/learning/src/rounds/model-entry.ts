import type { PublishedEntry } from '@pulsemesh/board';
import { contentId } from '@pulsemesh/wire';
import type { Party } from '../party/party.ts';

/** What the board takes of a model's bytes. */
const weightsOnBoardBytesMax = 32 * 1024;

/** What came out of a training, on the board: its hash, and where they are short its weights. */
export function publishModel(
  party: Party,
  task: { readonly taskId: string; readonly rounds: number },
  { output, sites, epsilon }: { readonly output: Uint8Array; readonly sites: number; readonly epsilon: number | null },
): Promise<PublishedEntry> {
  return party.board.publish('model', {
    task: task.taskId,
    hash: contentId(output),
    bytes: output.length,
    ...(output.length <= weightsOnBoardBytesMax ? { weights: output } : {}),
    rounds: task.rounds,
    sites,
    epsilon,
  });
}
