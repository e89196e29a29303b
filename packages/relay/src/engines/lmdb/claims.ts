import type { Clock, Random } from '@pulsemesh/base';
import { StoreFullError } from '@pulsemesh/store';
import { fromHex, toHex } from '@pulsemesh/wire';
import type { ClaimOutcome, EngineLimits, InboxClaim } from '../../engine.ts';
import { type InboxId, inboxBytes } from '../../inbox-id.ts';
import type { Mailbox } from './books.ts';
import { claimKey, encodeMailbox, keyAfter, type MailboxRow, tables } from './rows.ts';
import type { Writer } from './writer.ts';

/** Claims, one at a time: each sees what the one before it left. */
export class Claims {
  readonly #writer: Writer;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #limits: EngineLimits;
  #last: Promise<unknown> = Promise.resolve();

  constructor(writer: Writer, limits: EngineLimits, { clock, random }: { clock: Clock; random: Random }) {
    this.#writer = writer;
    this.#limits = limits;
    this.#clock = clock;
    this.#random = random;
  }

  claim(claims: readonly InboxClaim[]): Promise<ClaimOutcome[]> {
    return this.#inTurn(async () => {
      const outcomes: ClaimOutcome[] = [];
      for (const claim of claims) outcomes.push(await this.#claimOne(claim));
      return outcomes;
    });
  }

  release(inbox: InboxId, owner: InboxId): Promise<boolean> {
    return this.#inTurn(async () => {
      const mailbox = this.#writer.books.mailbox(inbox);
      if (mailbox?.claim.owner !== owner) return false;
      await this.#drop(mailbox);
      return true;
    });
  }

  /** Drops a mailbox whose claim ran out and that holds nothing; false where that is not so. */
  forget(inbox: InboxId): Promise<boolean> {
    return this.#inTurn(async () => {
      const mailbox = this.#writer.books.mailbox(inbox);
      if (mailbox === undefined || mailbox.count > 0 || mailbox.claim.untilMs > this.#clock.now()) return false;
      await this.#drop(mailbox);
      return true;
    });
  }

  #inTurn<T>(action: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(action);
    this.#last = turn.catch(() => {});
    return turn;
  }

  async #claimOne(claim: InboxClaim): Promise<ClaimOutcome> {
    const mailbox = this.#writer.books.mailbox(claim.inbox);
    try {
      if (mailbox !== undefined && mailbox.claim.owner === claim.owner) return await this.#prolong(mailbox, claim);
      if (mailbox !== undefined && mailbox.claim.untilMs > this.#clock.now()) return 'taken';
      if (this.#claimsOf(claim.owner) >= this.#limits.claimsPerOwnerMax) return 'too-many';
      // What the last owner left is not the next one's.
      if (mailbox !== undefined) await this.#drop(mailbox);
      const row = this.#newRow(claim);
      await this.#writer.store.commit([
        { kind: 'put', table: tables.mailbox, key: inboxBytes(claim.inbox), value: encodeMailbox(row) },
        { kind: 'put', table: tables.claim, key: claimKey(claim.owner, claim.inbox), value: new Uint8Array(0) },
      ]);
      return 'claimed';
    } catch (error) {
      if (error instanceof StoreFullError) return 'relay-full';
      throw error;
    }
  }

  async #prolong(mailbox: Mailbox, claim: InboxClaim): Promise<ClaimOutcome> {
    const before = mailbox.claim;
    mailbox.claim = claim;
    mailbox.inFlight += 1;
    try {
      const key = inboxBytes(claim.inbox);
      await this.#writer.store.commit([{ kind: 'put', table: tables.mailbox, key, value: encodeMailbox(mailbox) }]);
      return 'claimed';
    } catch (error) {
      mailbox.claim = before;
      throw error;
    } finally {
      mailbox.inFlight -= 1;
    }
  }

  #newRow(claim: InboxClaim): MailboxRow {
    return {
      epoch: toHex(this.#random.bytes(8)),
      claim,
      lastOffset: 0,
      count: 0,
      bytes: 0,
      generation: 0,
      generationCount: 0,
      generationSinceMs: this.#clock.now(),
      oldestGeneration: 0,
    };
  }

  #claimsOf(owner: InboxId): number {
    const from = inboxBytes(owner);
    const until = keyAfter(from);
    const range = { from, ...(until === undefined ? {} : { until }), limit: this.#limits.claimsPerOwnerMax };
    return [...this.#writer.store.range(tables.claim, range)].length;
  }

  /** The mailbox and its messages now, its ids at the next sweeps. */
  async #drop(mailbox: Mailbox): Promise<void> {
    const { books, store } = this.#writer;
    mailbox.isGone = true;
    mailbox.inFlight += 1; // kept, or the next one who asks would read it anew, and put something into it
    try {
      await this.#writer.settled(); // what is being written to it is seen then
      const work = this.#writer.newWork();
      for (const row of this.#writer.rows(mailbox, { urgent: 0, normal: 0 })) this.#writer.remove(work, mailbox, row);
      await this.#writer.writeRemovals(work);
      await store.commit([
        { kind: 'remove', table: tables.mailbox, key: inboxBytes(mailbox.inbox) },
        { kind: 'remove', table: tables.claim, key: claimKey(mailbox.claim.owner, mailbox.inbox) },
      ]);
      books.forget(mailbox);
    } catch (error) {
      mailbox.isGone = false;
      throw error;
    } finally {
      mailbox.inFlight -= 1;
    }
    const key = fromHex(mailbox.epoch);
    // Without it the ids stay: they cost room and do no harm.
    await store.commit([{ kind: 'put', table: tables.leftover, key, value: key }]).catch((error) => {
      if (!(error instanceof StoreFullError)) throw error;
    });
  }
}
