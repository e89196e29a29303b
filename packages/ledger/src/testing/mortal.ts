import type { MortalLife } from '@pulsemesh/store/testing';
import type { GrantLedger } from '../grants/grant-ledger.ts';
import type { Post } from '../market/post.ts';

/** What a crash can fall before or after, beside a commit. */
export type OfficePoint = 'send' | 'perform';

/** A post as one life has it. */
export function mortalPost<Mark>(life: MortalLife<OfficePoint>, post: Post<Mark>): Post<Mark> {
  return {
    self: post.self,
    send: (to, message) => life.at('send', () => post.send(to, message)),
    receive: (handler) => post.receive(handler),
  };
}

/** The ledger as one life has it. */
export function mortalLedger(life: MortalLife<OfficePoint>, ledger: GrantLedger): GrantLedger {
  return {
    status: (options) => life.seen(ledger.status(options)),
    stateOf: (grantId, need, options) => life.seen(ledger.stateOf(grantId, need, options)),
    creditOf: (payee, token, options) => life.seen(ledger.creditOf(payee, token, options)),
    perform: (step, options) => life.at('perform', () => ledger.perform(step, options)),
    async *events(from, options) {
      for await (const event of ledger.events(from, options)) {
        if (!life.isAlive) return;
        yield event;
      }
    },
    [Symbol.asyncDispose]: async () => {},
  };
}
