import type { PeerId } from '@libp2p/interface';
import type { Message, TopicValidator } from './pub-sub.ts';
import { validation } from './pub-sub.ts';

/** Messages that validators have not answered for yet; further ones are ignored. */
export const validationsPendingMax = 1_024;

export type Verdict = 'accept' | 'ignore' | 'reject' | 'overflow';

/** Asks validators, one answer for each message, bounded in how many are asked at once. */
export class Validations {
  #pending = 0;

  /** Calls back in this very turn where the validator answers at once. A validator that throws ignores the message. */
  ask(validator: TopicValidator, from: PeerId, message: Message, then: (verdict: Verdict) => void): void {
    const answer = this.#pending >= validationsPendingMax ? 'overflow' : answerOf(validator, from, message);
    if (!isPromise(answer)) {
      then(verdictOf(answer));
      return;
    }
    this.#pending += 1;
    const settled = (verdict: Verdict) => {
      this.#pending -= 1;
      then(verdict);
    };
    answer.then(
      (later) => settled(verdictOf(later)),
      () => settled('ignore'),
    );
  }
}

function answerOf(validator: TopicValidator, from: PeerId, message: Message): unknown {
  try {
    return validator(from, message);
  } catch {
    return 'ignore';
  }
}

function verdictOf(answer: unknown): Verdict {
  return answer === validation.accept || answer === validation.reject || answer === 'overflow' ? answer : 'ignore';
}

function isPromise(value: unknown): value is Promise<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
