import { createClientSession, createSessionServer, type LinkSession, type LinkStream } from '@pulsemesh/link';
import { createMemoryCarrierPair } from '@pulsemesh/link/testing';
import type { InboxId, RelayLink } from '@pulsemesh/relay/client';
import { decodeReceiveCommand, encodeReceiveEvents } from '../../packages/relay/src/wire/receive.ts';
import { dependencies, identityOf, relayIdentity } from './relayed-agents.ts';

/** What a relay gives an agent, true or not. */
export interface Given {
  readonly messageId: Uint8Array;
  readonly envelope: Uint8Array;
}

/**
 * A relay that keeps to the wire and to nothing else: it gives the agent whatever the test says, in any order, as often as it likes,
 * whatever was acknowledged. For `connectClient`; dispose it after the client.
 */
export class LyingRelay implements RelayLink, AsyncDisposable {
  readonly session: LinkSession;
  #reading = Promise.withResolvers<LinkStream>();
  readonly #end: AsyncDisposableStack;
  #inbox: InboxId | undefined;
  #offset = 0;
  /** Messages that the agent acknowledged. */
  acknowledged = 0;
  /** How often the agent began to read. */
  watches = 0;
  #wake = () => {};

  private constructor(session: LinkSession, serverSession: LinkSession, end: AsyncDisposableStack) {
    this.session = session;
    this.#end = end;
    serverSession.serve('mailbox.receive', (stream) => this.#serve(stream));
  }

  /** Over carriers in memory, to the agent of that number. */
  static async to(number: number): Promise<LyingRelay> {
    const end = new AsyncDisposableStack();
    const server = createSessionServer({ identity: relayIdentity, certificateSha256: () => null }, dependencies);
    end.use(server);
    const serverSession = new Promise<LinkSession>((resolve) => server.onSession(resolve));
    const carriers = createMemoryCarrierPair(dependencies);
    server.accept(carriers.server);
    const agent = createClientSession({ identity: identityOf(number), software: 'threats' }, dependencies);
    end.use(agent);
    await agent.attach(carriers.agent);
    await agent.established;
    return new LyingRelay(agent, await serverSession, end);
  }

  onSession(handler: (session: LinkSession) => void): Disposable {
    handler(this.session);
    return { [Symbol.dispose]() {} };
  }

  async #serve(stream: LinkStream): Promise<void> {
    for (let message = await stream.receive(); message !== null; message = await stream.receive()) {
      const { watch, acks } = decodeReceiveCommand(message);
      if (watch[0] !== undefined) this.#watch(watch[0].inbox, stream);
      for (const { offsets } of acks) this.acknowledged += offsets.length;
      this.#wake();
    }
  }

  #watch(inbox: InboxId, stream: LinkStream): void {
    this.#inbox = inbox;
    this.watches += 1;
    stream.write(encodeReceiveEvents({ watched: [{ inbox, code: '', epoch: '0011223344556677', continuity: 'new' }] }));
    // The agent may have begun anew.
    if (this.watches > 1) this.#reading = Promise.withResolvers();
    this.#reading.resolve(stream);
  }

  /** Gives these, one after the other in one piece; resolves when the agent has acknowledged all that was ever given. */
  async give(messages: readonly Given[]): Promise<void> {
    await this.giveOnly(messages);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = () => this.acknowledged >= this.#offset && resolve();
    this.#wake();
    await promise;
  }

  /** The same, whatever becomes of it. */
  async giveOnly(messages: readonly Given[]): Promise<void> {
    const stream = await this.#reading.promise;
    await stream.send(this.#deliveriesOf(messages));
  }

  #deliveriesOf(messages: readonly Given[]): Uint8Array {
    const inbox = this.#inbox as InboxId; // known since the agent watches
    const deliveries = messages.map(({ messageId, envelope }) => {
      this.#offset += 1;
      const facts = { storedMs: 1, priority: 'normal', kind: 'message', receiptTo: null } as const;
      return { inbox, offset: this.#offset, messageId, envelope, ...facts };
    });
    return encodeReceiveEvents({ deliveries });
  }

  /** Gives so many messages of so many bytes, as fast as the agent takes them; how many until it takes no more of this. */
  async flood(count: number, bytes: number): Promise<number> {
    const stream = await this.#reading.promise;
    const { watches } = this;
    for (let taken = 0; taken < count; taken += 1) {
      if (this.watches > watches) return taken;
      await stream.send(
        this.#deliveriesOf([{ messageId: dependencies.random.bytes(16), envelope: new Uint8Array(bytes) }]),
      );
    }
    return count;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#end.disposeAsync();
  }
}
