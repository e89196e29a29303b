import { type Clock, type Logger, sleep } from '@pulsemesh/base';
import type { Parties, RelayPostOptions } from '@pulsemesh/learning';

/** How long a party that ends waits for what it sent: others wait for it much longer if it goes with it. */
const leaveWithinMs = 5_000;

/** What a learner sent that no relay has yet. It is on the disk, and goes out with the next start at the latest. */
export class OnItsWay {
  /** As many as the client's outbox takes. */
  readonly #unstored = new Set<Promise<unknown>>();

  /** The client, watched. */
  watch(client: RelayPostOptions['client']): RelayPostOptions['client'] {
    return {
      receive: (handler) => client.receive(handler),
      send: async (to, bytes, options) => {
        const sent = await client.send(to, bytes, options);
        const settled = sent.stored.then(
          () => {},
          () => {},
        );
        this.#unstored.add(settled);
        void settled.then(() => this.#unstored.delete(settled));
        return sent;
      },
    };
  }

  /** Resolves when a relay has all that `parties` sent so far, or after five seconds. */
  async leave(
    parties: Pick<Parties, 'sent'>,
    { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
  ): Promise<void> {
    const waiting = new AbortController();
    const gone = parties.sent().then(() => Promise.all(this.#unstored));
    const late = sleep(clock, leaveWithinMs, { signal: waiting.signal }).then(
      () => logger.info('what was sent last goes out with the next start', { messages: this.#unstored.size }),
      () => {}, // it is gone
    );
    await Promise.race([gone, late]);
    waiting.abort();
  }
}
