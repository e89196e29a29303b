import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, errorCode, type Logger, type Random } from '@pulsemesh/base';
import { type PeerId, toHex } from '@pulsemesh/wire';
import { assertCurrentCard, type ContactCard, cardLimits, statementHash } from './card.ts';
import { CardMemory, type CardReport, type CardVerdict, cardMemoryLimits } from './card-memory.ts';
import { cardFromText, cardToText } from './card-text.ts';
import { CardDirectoryError } from './errors.ts';
import { overwriteFile, readSmallFile } from './files.ts';

/** Limits of a card directory; past each, entries are left out and named among the problems. */
export const cardDirectoryLimits = { filesMax: 20_000, evidenceFilesMax: 256, reportsMax: 64 } as const;

/** What {@link openCardDirectory} needs. */
export interface CardDirectoryDependencies {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** A file of the folder that was not taken, and the code of why. */
export interface CardProblem {
  readonly file: string;
  readonly code: string;
}

/**
 * A folder of card files (`*.card`, each the text of one card), and what was ever seen in it: the newest card of each peer counts, an
 * older one is refused also when the folder was put back, a known name keeps its key. Others may put files into the folder;
 * they count from the next `reload`.
 */
export interface CardDirectory {
  /**
   * Takes a card and keeps it on disk. `as`: what it is to be known by here, instead of what it calls itself.
   * @throws {StatementRefusedError} `statement-expired`, `-future`, `-older`, `-conflict`; {@link CardDirectoryError}. Nothing is changed then.
   */
  add(card: ContactCard, options?: { readonly as?: string }): Promise<CardVerdict>;
  /** The card to reach a peer by, following its successions; null where none is known or it has expired. */
  find(peer: PeerId): ContactCard | null;
  /** The same by the name the card has here. */
  findByName(name: string, organisation?: string): ContactCard | null;
  /** All cards that count, expired ones too, by name. */
  list(): readonly ContactCard[];
  /** Reads the folder again. Resolves with the files that were not taken. @throws {CardDirectoryError} */
  reload(): Promise<readonly CardProblem[]>;
  /** Cards that spoke against what is known, the newest last; at most {@link cardDirectoryLimits}.reportsMax. Equivocation is kept on disk too (`*.evidence`). */
  readonly reports: readonly CardReport[];
}

/** Opens a folder (made when missing) and reads it. @throws {CardDirectoryError} */
export async function openCardDirectory(
  folder: string,
  dependencies: CardDirectoryDependencies,
): Promise<CardDirectory & { readonly problems: readonly CardProblem[] }> {
  const directory = new FolderCards(folder, dependencies);
  const problems = await directory.reload();
  return Object.assign(directory, { problems });
}

const stateFile = 'directory.state';

class FolderCards implements CardDirectory {
  readonly reports: CardReport[] = [];
  readonly #folder: string;
  readonly #dependencies: CardDirectoryDependencies;
  #memory = new CardMemory();
  #cards = new Map<PeerId, ContactCard>();
  /** One change at a time. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(folder: string, dependencies: CardDirectoryDependencies) {
    this.#folder = folder;
    this.#dependencies = dependencies;
  }

  add(card: ContactCard, options: { readonly as?: string } = {}): Promise<CardVerdict> {
    return this.#inTurn(async () => {
      assertCurrentCard(card, this.#dependencies.clock);
      await this.#readState(); // another process may have written meanwhile
      const verdict = await this.#take(card, options.as ?? null);
      const text = new TextEncoder().encode(`${cardToText(card)}\n`);
      if (verdict !== 'same') await this.#write(`${card.peerId}.card`, text);
      await this.#write(stateFile, this.#memory.encode());
      return verdict;
    });
  }

  find(peer: PeerId): ContactCard | null {
    const card = this.#cards.get(this.#memory.currentOf(peer));
    return card !== undefined && this.#dependencies.clock.now() < card.expiresMs ? card : null;
  }

  findByName(name: string, organisation: string | null = null): ContactCard | null {
    const peer = this.#memory.peerNamed(name, organisation);
    return peer === null ? null : this.find(peer);
  }

  list(): readonly ContactCard[] {
    const label = (card: ContactCard) => `${card.name ?? ''}\n${card.peerId}`;
    return [...this.#cards.values()].sort((one, other) => (label(one) < label(other) ? -1 : 1));
  }

  reload(): Promise<readonly CardProblem[]> {
    return this.#inTurn(async () => {
      await this.#readState();
      const problems: CardProblem[] = [];
      const found = await this.#readCards(problems);
      this.#cards = new Map();
      // By age, so that a former key is known before its successor, whatever the files are called.
      for (const { file, card } of found.sort((one, other) => one.card.issuedMs - other.card.issuedMs)) {
        if (this.#memory.currentOf(card.peerId) !== card.peerId) continue; // succeeded; its last file stays
        try {
          await this.#take(card, null);
        } catch (error) {
          problems.push({ file, code: errorCode(error) });
        }
      }
      if (found.length > 0) await this.#write(stateFile, this.#memory.encode());
      return problems;
    });
  }

  /** The newest card of each peer in the folder; of two that are both the newest, both. */
  async #readCards(problems: CardProblem[]): Promise<{ readonly file: string; readonly card: ContactCard }[]> {
    const names = (await this.#entries()).filter((name) => name.endsWith('.card')).sort();
    const newest = new Map<PeerId, { readonly file: string; readonly card: ContactCard }[]>();
    for (const file of names.slice(0, cardDirectoryLimits.filesMax)) {
      try {
        const bytes = await readSmallFile(join(this.#folder, file), false, 2 * cardLimits.textCharactersMax);
        if (bytes === null) continue; // gone meanwhile
        const card = cardFromText(new TextDecoder().decode(bytes));
        const others = newest.get(card.peerId) ?? [];
        const best = others[0]?.card.version ?? 0;
        if (card.version > best) newest.set(card.peerId, [{ file, card }]);
        else if (card.version === best) others.push({ file, card });
      } catch (error) {
        problems.push({ file, code: errorCode(error) });
      }
    }
    for (const file of names.slice(cardDirectoryLimits.filesMax)) problems.push({ file, code: 'card-directory-full' });
    return [...newest.values()].flat();
  }

  async #take(card: ContactCard, as: string | null): Promise<CardVerdict> {
    const reported: CardReport[] = [];
    try {
      const verdict = this.#memory.take(card, as, (report) => reported.push(report));
      if (card.succession !== null) this.#cards.delete(card.succession.from);
      this.#cards.set(card.peerId, card);
      return verdict;
    } finally {
      for (const report of reported) await this.#report(report);
    }
  }

  async #report(report: CardReport): Promise<void> {
    this.#dependencies.logger.warn('a card speaks against what is known', { kind: report.kind });
    this.reports.push(report);
    if (this.reports.length > cardDirectoryLimits.reportsMax) this.reports.shift();
    if (report.kind !== 'equivocation') return;
    const kept = (await this.#entries()).filter((name) => name.endsWith('.evidence'));
    const hash = toHex(statementHash(report.offered.bytes)).slice(0, 16);
    const file = `${report.peerId}.${report.version}.${hash}.evidence`;
    if (kept.length >= cardDirectoryLimits.evidenceFilesMax || kept.includes(file)) return;
    const known = this.#cards.get(report.peerId);
    const both = known?.version === report.version ? [known, report.offered] : [report.offered];
    await this.#write(file, new TextEncoder().encode(`${both.map(cardToText).join('\n')}\n`));
  }

  async #readState(): Promise<void> {
    const bytes = await this.#guarded(() =>
      readSmallFile(join(this.#folder, stateFile), false, cardMemoryLimits.bytesMax),
    );
    if (bytes !== null) this.#memory = CardMemory.decode(bytes);
  }

  async #entries(): Promise<string[]> {
    try {
      return await readdir(this.#folder);
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return [];
      throw new CardDirectoryError('card-directory-file', { cause: error });
    }
  }

  #write(name: string, content: Uint8Array): Promise<void> {
    return this.#guarded(() => overwriteFile(join(this.#folder, name), content, this.#dependencies));
  }

  async #guarded<T>(action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      throw new CardDirectoryError('card-directory-file', { cause: error });
    }
  }

  #inTurn<T>(action: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(action);
    this.#turn = result.catch(() => {});
    return result;
  }
}
