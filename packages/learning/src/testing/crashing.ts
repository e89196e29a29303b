import type { Author, Board, EntryBodies, EntryKind } from '@pulsemesh/board';
import type { Fate, MortalLife } from '@pulsemesh/store/testing';

/** What a party does that a crash can fall before or after, beside a commit. */
export type PartyPoint = 'send' | 'publish';

/** Decides, at each point of a life, numbered from 0, whether it crashes there. */
export type CrashPlan = (point: {
  readonly agent: string;
  readonly life: number;
  readonly number: number;
  readonly kind: PartyPoint | 'commit';
}) => Fate;

/** The board as one life has it. */
export function mortalBoard(life: MortalLife<PartyPoint>, board: Board): Board {
  return {
    get size() {
      return board.size;
    },
    entries: (kind) => board.entries(kind),
    entry: (id) => board.entry(id),
    onEntry: (handler) => board.onEntry((entry) => (life.isAlive ? handler(entry) : undefined)),
    refresh: (options) => life.seen(board.refresh(options)),
    publish: <Kind extends EntryKind>(kind: Kind, body: EntryBodies[Kind], author: Author) =>
      life.at('publish', () => board.publish(kind, body, author)),
    receipt: (index, options) => life.seen(board.receipt(index, options)),
    [Symbol.asyncDispose]: async () => {},
  };
}
