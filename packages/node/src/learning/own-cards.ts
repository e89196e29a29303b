import type { Logger, Meter } from '@pulsemesh/base';
import { KeyDirectory } from '@pulsemesh/board';
import type { BoardClient } from '@pulsemesh/board/client';
import { sha256 } from '@pulsemesh/crypto';
import type { TableStore } from '@pulsemesh/store';
import type { PeerId } from '@pulsemesh/wire';

const table = 'learning-own-cards';
/** Cards that are remembered: one a week for a century. */
const cardsMax = 5_000;

/**
 * Looks after what the board says of this learner's key (key transparency): an entry under its peer id with a card that it never made, a
 * revocation, or another key under its organisation's name is loud in the log and counted.
 */
export class OwnCards {
  readonly #store: TableStore;

  constructor(store: TableStore) {
    this.#store = store;
  }

  /** Remembers a card before it is shown to anybody. */
  async remember(card: Uint8Array): Promise<void> {
    const key = sha256(card);
    if (this.#store.get(table, key) !== undefined || this.#store.count(table) >= cardsMax) return;
    await this.#store.commit([{ kind: 'put', table, key, value: Uint8Array.of(1) }]);
  }

  /** Watches the board until disposed. */
  watch(
    board: Pick<BoardClient, 'onEntry' | 'entry'>,
    own: { readonly peerId: PeerId; readonly name: string },
    { logger, meter }: { readonly logger: Logger; readonly meter: Meter },
  ): Disposable {
    const stack = new DisposableStack();
    const directory = stack.use(new KeyDirectory(board));
    const alarms = meter.counter('board_key_alarms_total', 'Key entries about this node that it did not make', [
      'kind',
    ]);
    const isMine = (id: string) => {
      const entry = board.entry(id);
      const card = entry?.kind === 'key' ? entry.body.card : undefined;
      return card !== undefined && this.#store.get(table, sha256(card)) !== undefined;
    };
    stack.use(directory.watch({ ...own, isMine }, ({ kind }) => alarms.add(1, { kind }), { logger }));
    return stack;
  }
}
