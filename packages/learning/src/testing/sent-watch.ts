import type { EntryBodies, EntryKind } from '@pulsemesh/board';
import { contentId, type PeerId } from '@pulsemesh/wire';
import { textOf } from '../audit/run-record.ts';
import { partyLimits } from '../party/limits.ts';
import { decodePiece } from '../party/piece.ts';
import { revealStep } from '../secure-sum/index.ts';

/**
 * Watches what leaves each party over all its lives: one message for each step and recipient, one entry for each step of an attempt,
 * and never both secrets of one site by one hand. What is against it is in `violations`.
 */
export class SentWatch {
  readonly violations: string[] = [];
  readonly #sent = new Map<string, string>();

  readonly onSend = (from: PeerId, to: PeerId, bytes: Uint8Array): Uint8Array => {
    const { run, scope, step, index, bytes: part } = decodePiece(bytes, partyLimits);
    this.#once(`${from} → ${to}: ${run} ${scope} ${step} ${index}`, contentId(part));
    // The same vector, shares and reveal to whomever it goes: another recipient must not see another one either.
    if (step === 'masked' || step === 'reveal' || step === 'partial-sum') {
      this.#once(`${from}: ${run} ${scope} ${step} ${index}`, contentId(part));
    }
    if (step === 'reveal') this.#checkReveal(`${from}: ${run} ${scope}`, part);
    return bytes;
  };

  readonly onPublish = <Kind extends EntryKind>(author: PeerId, kind: Kind, body: EntryBodies[Kind]): void => {
    if (kind !== 'round') return;
    const { task, round, attempt, step } = body as EntryBodies['round']; // of that kind
    this.#once(
      `${author} on the board: ${task} ${round} ${attempt} ${step.name}`,
      contentId(new TextEncoder().encode(textOf(step))),
    );
  };

  #once(what: string, hash: string): void {
    const before = this.#sent.get(what);
    if (before !== undefined && before !== hash) this.violations.push(what);
    this.#sent.set(what, hash);
  }

  #checkReveal(whose: string, bytes: Uint8Array): void {
    const { seeds, keys } = revealStep.decode(bytes);
    for (const { site } of seeds) this.#once(`${whose} about ${site}`, 'seed');
    for (const { site } of keys) this.#once(`${whose} about ${site}`, 'key');
  }
}
