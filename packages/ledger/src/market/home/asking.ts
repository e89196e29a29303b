import type { TableChange } from '@pulsemesh/store';
import type { PeerId } from '@pulsemesh/wire';
import { verifyBinding } from '../../offer/binding.ts';
import { AccountBindingRefusedError } from '../../offer/errors.ts';
import type { Change } from '../desk/desk.ts';
import { askOf } from '../kept-messages.ts';
import type { MarketRefusal } from '../market-events.ts';
import { encodeMessage } from '../message-codec.ts';
import type { AskBody } from '../messages.ts';
import { isInCohort } from './cohort.ts';
import { homeLimits } from './home-limits.ts';
import type { HomeHouse } from './home-means.ts';
import { type AskRow, type HomeRows, inboxIdOf, nobody } from './home-rows.ts';

/**
 * Requests as they come in. Which patients one reaches is found out here and told nobody: no message leaves, whatever they do, until one
 * of them says yes or makes a counter-proposal.
 */
export class Asking {
  readonly #house: HomeHouse;

  constructor(house: HomeHouse) {
    this.#house = house;
    for (const [askId, row] of house.desk.all('ask')) if (!row.isMatched) this.#match(askId);
  }

  async take(from: PeerId, ask: AskBody, mark: readonly TableChange[]): Promise<void> {
    const { desk, events } = this.#house;
    const reached = await desk.transact(async (change) => {
      const refusal = this.#refusalOf(from, ask, change) ?? (await this.#bindingRefusal(ask));
      if (refusal !== null) {
        events.refused(refusal);
        return null;
      }
      const { clock } = this.#house;
      const isForOne = ask.audience.to === 'handle';
      const row: AskRow = {
        from,
        message: encodeMessage('ask', ask),
        receivedMs: clock.now(),
        expiresMs: Math.min(ask.expiresMs, clock.now() + homeLimits.askForMsMax),
        isMatched: isForOne,
      };
      if (ask.audience.to === 'cohort') {
        change.put('ask', ask.askId, row);
        return [];
      }
      const reached = this.#useHandle(ask.audience.handle, from, change);
      if (reached === null) return null;
      change.put('ask', ask.askId, row);
      this.#reach(ask.askId, reached, change);
      return [reached];
    }, mark);
    if (reached === null) return;
    events.happened('asked');
    for (const subject of reached) this.#house.changed(subject);
    if (ask.audience.to === 'cohort') this.#match(ask.askId);
  }

  /** Compares requests that are open with a patient who agrees to be asked from now on. */
  matchAgain(subject: string): void {
    const { desk, errands, means, signal } = this.#house;
    errands.run(`match ${subject}`, async () => {
      const profile = await means.patients.profile(subject, { signal });
      await desk.transact((change) => {
        for (const [askId, row] of change.all('ask')) {
          const { audience } = askOf(row);
          if (audience.to !== 'cohort' || row.expiresMs <= this.#house.clock.now()) continue;
          if (isInCohort(profile, audience.criteria)) this.#reach(askId, subject, change);
        }
      });
      this.#house.changed(subject);
    });
  }

  /** Whether somebody may pay in this peer's name. Contract accounts are not judged without their chain: they are nobody's here. */
  async #bindingRefusal(ask: AskBody): Promise<MarketRefusal | null> {
    try {
      return (await verifyBinding(ask.buyer, { nowMs: this.#house.clock.now() })) === 'valid' ? null : 'binding';
    } catch (error) {
      if (error instanceof AccountBindingRefusedError) return 'binding';
      throw error;
    }
  }

  #refusalOf(from: PeerId, ask: AskBody, change: Change<HomeRows>): MarketRefusal | null {
    const nowMs = this.#house.clock.now();
    if (ask.buyer.peer !== from) return 'wrong-sender';
    if (change.get('ask', ask.askId) !== undefined) return 'repeated';
    if (ask.expiresMs <= nowMs || ask.createdMs > nowMs + homeLimits.clockAheadMsMax) return 'expired';
    if (isTreatment(ask.purpose) && ask.price > 0n) return 'price';
    const all = [...change.all('ask')].filter(([, row]) => row.expiresMs > nowMs);
    const ofPeer = all.filter(([, row]) => row.from === from);
    return all.length >= homeLimits.asksMax || ofPeer.length >= homeLimits.asksPerPeerMax ? 'full' : null;
  }

  /** A handle is good once, and for whom it was given to. */
  #useHandle(handle: string, from: PeerId, change: Change<HomeRows>): string | null {
    const row = change.get('handle', handle);
    if (row === undefined || row.from !== from || row.expiresMs <= this.#house.clock.now()) {
      this.#house.events.refused('unknown');
      return null;
    }
    change.remove('handle', handle);
    return row.subject;
  }

  #match(askId: string): void {
    const { desk, errands, means, signal } = this.#house;
    errands.run(`match ask ${askId}`, async () => {
      const row = desk.get('ask', askId);
      if (row === undefined || row.isMatched) return;
      const { audience } = askOf(row);
      if (audience.to !== 'cohort') return;
      const found: string[] = [];
      for (const subject of means.patients.list()) {
        if (!isAskable(desk, subject)) continue;
        if (isInCohort(await means.patients.profile(subject, { signal }), audience.criteria)) found.push(subject);
      }
      await desk.transact((change) => {
        for (const subject of found) this.#reach(askId, subject, change);
        change.put('ask', askId, { ...row, isMatched: true });
      });
      for (const subject of found) this.#house.changed(subject);
    });
  }

  #reach(askId: string, subject: string, change: Change<HomeRows>): void {
    const inboxId = inboxIdOf(askId, subject);
    // Asked since: whoever does not want to be asked any more is not.
    if (change.get('inbox', inboxId) !== undefined || !canBeAsked(change, subject, askId)) return;
    const atMs = this.#house.clock.now();
    change.put('inbox', inboxId, { askId, subject, state: 'waiting', atMs, counterPrice: null });
    change.tell({ noticeId: `asked/${inboxId}`, subject, kind: 'asked' });
  }
}

export function isTreatment(purpose: string): boolean {
  return purpose.startsWith('treatment/');
}

function isAskable(desk: Pick<Change<HomeRows>, 'get'>, subject: string): boolean {
  const { isAskable: agrees, erasedMs } = desk.get('patient', subject) ?? nobody;
  return agrees && erasedMs === null;
}

/** A request that answers a patient's own counter-proposal reaches it whether it agreed to be asked or not. */
function canBeAsked(change: Change<HomeRows>, subject: string, askId: string): boolean {
  const row = change.get('ask', askId);
  const isAnswer = row !== undefined && askOf(row).audience.to === 'handle';
  return isAnswer ? (change.get('patient', subject) ?? nobody).erasedMs === null : isAskable(change, subject);
}
