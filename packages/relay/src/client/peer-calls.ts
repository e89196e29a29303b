import { type WaitOptions, withTimeout } from '@pulsemesh/base';
import { Condition, errorCode } from '@pulsemesh/base/errors';
import type { LinkSession, LinkStream } from '@pulsemesh/link';
import type { InboxId } from '../inbox-id.ts';
import { decodePeerOffer, encodePeerOpen, type PeerOffer } from '../wire/agents.ts';
import { AgentUnreachableError } from './errors.ts';
import type { RelayClientLimits } from './limits.ts';
import type { ClientDependencies, RawStreamHandler, RelayUse } from './types.ts';

/** Streams and requests between agents that are online, through whichever relay joins them. */
export class PeerCalls {
  readonly #relays: readonly RelayUse[];
  readonly #limits: RelayClientLimits;
  readonly #dependencies: ClientDependencies;
  readonly #handlers = new Map<string, RawStreamHandler>();
  readonly #serving = new Map<string, Disposable>();

  constructor(relays: readonly RelayUse[], limits: RelayClientLimits, dependencies: ClientDependencies) {
    this.#relays = relays;
    this.#limits = limits;
    this.#dependencies = dependencies;
  }

  useSession(relay: string, session: LinkSession): void {
    this.#serving.get(relay)?.[Symbol.dispose]();
    this.#serving.delete(relay);
    try {
      const serving = session.serve('peer.accept', (stream) => this.#accept(relay, stream));
      this.#serving.set(relay, serving);
    } catch (error) {
      // Told in a callback of the link, where nobody could catch it. The rest of this client works.
      if (errorCode(error) !== 'method-taken') throw error;
      this.#dependencies.logger.warn('something else takes the streams of this link', { relay });
    }
  }

  async #accept(relay: string, stream: LinkStream): Promise<void> {
    const first = await stream.receive();
    let offer: PeerOffer;
    try {
      offer = decodePeerOffer(first ?? new Uint8Array(0));
    } catch (cause) {
      stream.abort(new Condition('malformed', 'not an offer of a stream', { cause }));
      return;
    }
    const handler = this.#handlers.get(offer.name);
    if (handler === undefined) stream.abort(new Condition('peer-refused', 'nothing of that name is served here'));
    else await handler(stream, { from: offer.from, to: offer.to, relay });
  }

  stream(to: InboxId, name: string, relay?: string): LinkStream {
    const wanted = relay === undefined ? this.#relays : this.#relays.filter((each) => each.name === relay);
    const session = wanted.find(({ link }) => link.session?.status.state === 'up')?.link.session;
    if (session === null || session === undefined) throw new AgentUnreachableError();
    const stream = session.open('peer.open');
    stream.write(encodePeerOpen({ to, name }));
    return stream;
  }

  /** Through one relay after the other, as long as they say that the agent is not there. */
  async request(to: InboxId, name: string, message: Uint8Array, options: WaitOptions = {}): Promise<Uint8Array> {
    let lastError: unknown;
    for (const { name: relay, link } of this.#relays) {
      if (link.session?.status.state !== 'up') continue;
      try {
        return await this.#requestThrough(relay, to, name, message, options);
      } catch (error) {
        options.signal?.throwIfAborted();
        if (!(error instanceof Condition) || error.code !== 'peer-offline') throw error;
        lastError = error;
      }
    }
    throw new AgentUnreachableError(lastError);
  }

  #requestThrough(relay: string, to: InboxId, name: string, message: Uint8Array, options: WaitOptions) {
    const { requestMs } = this.#limits;
    const ask = async (signal: AbortSignal) => {
      const stream = this.stream(to, name, relay);
      try {
        await stream.send(message, { signal });
        stream.end();
        const answer = await stream.receive({ signal });
        if (answer === null) throw new Condition('no-answer', 'the other agent ended without an answer');
        return answer;
      } catch (error) {
        stream.abort(new Condition('aborted', 'the caller does not wait any more'));
        throw error;
      }
    };
    return withTimeout(this.#dependencies.clock, 'a request to an agent', requestMs, ask, options);
  }

  serve(name: string, handler: RawStreamHandler): Disposable {
    this.#handlers.set(name, handler);
    return {
      [Symbol.dispose]: () => {
        if (this.#handlers.get(name) === handler) this.#handlers.delete(name);
      },
    };
  }

  stop(): void {
    for (const serving of this.#serving.values()) serving[Symbol.dispose]();
    this.#serving.clear();
    this.#handlers.clear();
  }
}
