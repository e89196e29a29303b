import { unreachable } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import type { AnyBoardEntry } from '../entry.ts';
import type { EntryBodies } from './bodies.ts';
import type { EntryRefusal } from './errors.ts';

/** What a board and its users agreed on. */
export interface EntryRuleTerms {
  /** Who may revoke keys that are not their own. */
  readonly authorities: readonly PeerId[];
  /**
   * Whose card it is; null when it is none. Comes from above, since cards are of a neighbour; without it the bytes of cards are not
   * looked into.
   */
  readonly cardHolder?: (card: Uint8Array) => PeerId | null;
}

interface TaskFacts {
  readonly aggregator: PeerId | null;
  readonly invited: ReadonlySet<PeerId>;
  /** Contracts in force. */
  readonly sites: Set<PeerId>;
  /** Whoever signed one at any time: evaluations may come after leaving. */
  readonly everSites: Set<PeerId>;
}

/**
 * Who may write what, judged from the entries before: the board asks before it appends, every client again when it reads. A client skips
 * what is against them and accuses nobody: such an entry is its author's fault and the board's carelessness. Grows with the log.
 */
export class EntryRules {
  readonly #terms: EntryRuleTerms;
  readonly #authorities: ReadonlySet<PeerId>;
  readonly #keys = new Map<PeerId, 'enrolled' | 'revoked'>();
  readonly #tasks = new Map<string, TaskFacts>();

  constructor(terms: EntryRuleTerms) {
    this.#terms = terms;
    this.#authorities = new Set(terms.authorities);
  }

  /** Why the entry cannot come next, or null. Changes nothing. */
  refusalOf(entry: Pick<AnyBoardEntry, 'kind' | 'author' | 'body'>): EntryRefusal | null {
    const { author } = entry;
    if (this.#keys.get(author) === 'revoked') return 'key-revoked';
    // The discriminated union is lost by `Pick`; `kind` and `body` come from one entry.
    const one = entry as AnyBoardEntry;
    switch (one.kind) {
      case 'key':
        return this.#keyRefusal(author, one.body);
      case 'contract':
        return this.#contractRefusal(author, one.body);
      case 'round':
      case 'model':
        return this.#runRefusal(author, one.body.task);
      case 'evaluation':
        return this.#evaluationRefusal(author, one.body.task);
      case 'catalogue':
        // Researchers ask where it says: it must be somebody they can write to.
        return this.#keys.get(author) === 'enrolled' ? null : 'not-enrolled';
      case 'task':
      case 'anchor':
      case 'announcement':
      case 'grant':
        return null;
      default:
        return unreachable(one);
    }
  }

  /** Takes an entry that {@link refusalOf} found nothing against. */
  apply(entry: AnyBoardEntry): void {
    const { author } = entry;
    if (entry.kind === 'key') {
      this.#keys.set(entry.body.subject, entry.body.action === 'revoke' ? 'revoked' : 'enrolled');
    } else if (entry.kind === 'task') {
      const { aggregator, invited } = entry.body;
      this.#tasks.set(entry.id, {
        aggregator,
        invited: new Set(invited),
        sites: new Set(),
        everSites: new Set(),
      });
    } else if (entry.kind === 'contract') {
      const task = this.#tasks.get(entry.body.task);
      if (entry.body.action === 'sign') {
        task?.sites.add(author);
        task?.everSites.add(author);
      } else task?.sites.delete(author);
    }
  }

  #keyRefusal(author: PeerId, { action, subject, card }: EntryBodies['key']): EntryRefusal | null {
    const state = this.#keys.get(subject);
    // A revoked key is never used again: whoever holds it may be its thief.
    if (state === 'revoked') return 'key-revoked';
    if (action === 'revoke') return author === subject || this.#authorities.has(author) ? null : 'not-authority';
    if (author !== subject) return 'not-own-key';
    if ((action === 'enrol') !== (state === undefined)) return 'key-order';
    const { cardHolder } = this.#terms;
    if (cardHolder !== undefined && card !== undefined && cardHolder(card) !== subject) return 'card';
    return null;
  }

  #contractRefusal(author: PeerId, { task: id, action }: EntryBodies['contract']): EntryRefusal | null {
    const task = this.#tasks.get(id);
    if (task === undefined) return 'no-task';
    if (action === 'leave') return task.sites.has(author) ? null : 'no-contract';
    const isInvited = task.invited.size === 0 ? this.#keys.get(author) === 'enrolled' : task.invited.has(author);
    return isInvited ? null : 'not-invited';
  }

  #runRefusal(author: PeerId, id: string): EntryRefusal | null {
    const task = this.#tasks.get(id);
    if (task === undefined) return 'no-task';
    if (task.aggregator !== null) return task.aggregator === author ? null : 'not-party';
    return task.sites.has(author) ? null : 'not-party';
  }

  #evaluationRefusal(author: PeerId, id: string): EntryRefusal | null {
    const task = this.#tasks.get(id);
    if (task === undefined) return 'no-task';
    return task.everSites.has(author) ? null : 'no-contract';
  }
}
