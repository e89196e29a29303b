import type { Logger } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import type { Board } from '../board.ts';
import type { AnyBoardEntry, BoardEntry } from '../entry.ts';

/** A key as the board shows it now, to everybody. */
export interface KnownKey {
  readonly subject: PeerId;
  /** What its holder calls itself; two holders can say the same. */
  readonly name: string;
  readonly state: 'enrolled' | 'revoked';
  /** The newest contact card; null once revoked. */
  readonly card: Uint8Array | null;
  /** The entries about it, oldest first. */
  readonly history: readonly BoardEntry<'key'>[];
}

/** An entry about me that I did not make. */
export interface KeyAlarm {
  readonly kind: /** An entry under my peer id that is not one of mine: somebody has my key, or an authority revoked it. */
    | 'my-key'
    /** Another key goes by my name. */
    | 'my-name';
  readonly entry: BoardEntry<'key'>;
}

/** Who I am, for {@link KeyDirectory.watch}. */
export interface OwnKey {
  readonly peerId: PeerId;
  readonly name: string;
  /** True for the entries that I made: those this node remembers having published. */
  readonly isMine: (entryId: string) => boolean;
}

/** The keys of everybody, from the verified entries of a board (key transparency): what one reader sees, all see. */
export class KeyDirectory implements Disposable {
  readonly #history = new Map<PeerId, BoardEntry<'key'>[]>();
  readonly #stack = new DisposableStack();
  readonly #board: Pick<Board, 'onEntry'>;

  constructor(board: Pick<Board, 'onEntry'>) {
    this.#board = board;
    this.#stack.use(board.onEntry((entry) => this.#take(entry)));
  }

  /** Null where the board has nothing about it. */
  keyOf(subject: PeerId): KnownKey | null {
    const history = this.#history.get(subject);
    const last = history?.at(-1);
    if (history === undefined || last === undefined) return null;
    const isRevoked = last.body.action === 'revoke';
    // A revocation by an authority may call it by another name than its holder does.
    const named = history.findLast(({ body }) => body.action !== 'revoke') ?? last;
    return {
      subject,
      name: named.body.name,
      state: isRevoked ? 'revoked' : 'enrolled',
      card: isRevoked ? null : (last.body.card ?? null),
      history: [...history],
    };
  }

  isRevoked(subject: PeerId): boolean {
    return this.#history.get(subject)?.at(-1)?.body.action === 'revoke';
  }

  /** All keys, in the order in which they came. */
  all(): readonly KnownKey[] {
    return [...this.#history.keys()].flatMap((subject) => this.keyOf(subject) ?? []);
  }

  /**
   * Tells of each entry, from the first on, that is about me and not mine: under my peer id, or another key under my name. Loud in the log
   * besides, without names.
   */
  watch(own: OwnKey, onAlarm: (alarm: KeyAlarm) => void, dependencies: { readonly logger: Logger }): Disposable {
    return this.#board.onEntry((entry) => {
      const kind = entry.kind === 'key' ? alarmOf(entry, own) : null;
      if (entry.kind !== 'key' || kind === null) return;
      dependencies.logger.error('the board shows a key entry about this node that it did not make', {
        kind,
        action: entry.body.action,
        index: entry.index,
      });
      onAlarm({ kind, entry });
    });
  }

  [Symbol.dispose](): void {
    this.#stack.dispose();
  }

  #take(entry: AnyBoardEntry): void {
    if (entry.kind !== 'key') return;
    const history = this.#history.get(entry.body.subject);
    if (history === undefined) this.#history.set(entry.body.subject, [entry]);
    else history.push(entry);
  }
}

function alarmOf({ id, body }: BoardEntry<'key'>, own: OwnKey): KeyAlarm['kind'] | null {
  if (body.subject === own.peerId) return own.isMine(id) ? null : 'my-key';
  return body.action !== 'revoke' && sameName(body.name, own.name) ? 'my-name' : null;
}

/** Names that people take for the same. */
function sameName(one: string, other: string): boolean {
  return plain(one) === plain(other);
}

function plain(name: string): string {
  return name
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]/gu, '');
}
