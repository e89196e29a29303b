import { type Identity, identityOfSeed } from '@pulsemesh/identity/identity';
import type { MailboxEngine } from '../../engine.ts';
import { TestWorld, type TestWorldOptions } from '../../testing/test-world.ts';
import {
  type AgentContact,
  connectRelay,
  createEnvelopeSealer,
  createMemoryInboxState,
  type InboxState,
  type RelayClient,
  type RelayClientOptions,
} from '../index.ts';

const seeds: Readonly<Record<string, number>> = { alice: 1, bob: 2, carol: 3 };

/** An agent that seals, on links of its own. */
export interface SealingAgent<Mark = string> extends AsyncDisposable {
  readonly client: RelayClient<AgentContact, Mark>;
}

/** How a message that came to a relay is sealed. */
export interface NotedEnvelope {
  readonly kind: 'envelope' | 'session';
  readonly bytes: number;
}

/** Agents with identities, who know each other’s cards, in a {@link TestWorld}. */
export class SealedWorld extends TestWorld {
  readonly identities = new Map<string, Identity>();
  /** What the contact cards of all show; a test may change it. */
  readonly contacts = new Map<string, AgentContact>();

  constructor(options: TestWorldOptions) {
    super(options);
    for (const [name, seed] of Object.entries(seeds))
      this.introduce(name, identityOfSeed(new Uint8Array(32).fill(seed)));
  }

  introduce(name: string, identity: Identity): void {
    const { publicKey, sealing } = identity;
    this.identities.set(name, identity);
    this.contacts.set(name, { publicKey, sealingKey: sealing.publicKey });
    this.adopt(name, identity);
  }

  /** Notes from now on what messages an engine is given. */
  note(engine: MailboxEngine): NotedEnvelope[] {
    const noted: NotedEnvelope[] = [];
    const append = engine.append.bind(engine);
    engine.append = (batch) => {
      for (const { kind, envelope } of batch) {
        if (kind === 'message')
          noted.push({ kind: envelope[0] === 2 ? 'session' : 'envelope', bytes: envelope.length });
      }
      return append(batch);
    };
    return noted;
  }

  contact(name: string): AgentContact {
    const contact = this.contacts.get(name);
    if (contact === undefined) throw new Error(`nobody is called ${name}`);
    return contact;
  }

  async join<Mark = string>(
    name: string,
    relays: readonly string[],
    options: Partial<RelayClientOptions<AgentContact, Mark>> = {},
  ): Promise<SealingAgent<Mark> & { readonly links: ReturnType<TestWorld['link']>[] }> {
    const identity = this.identities.get(name) as Identity;
    const contactOf = (key: Uint8Array) =>
      [...this.contacts.values()].find(({ publicKey }) => Buffer.compare(publicKey, key) === 0) ?? null;
    const links = relays.map((relay) => this.link(name, relay));
    const client = await connectRelay<AgentContact, Mark>(
      {
        relays: links.map((link, index) => ({ name: relays[index] as string, link })),
        identity,
        sealer: createEnvelopeSealer({ identity, contactOf }, this.dependencies),
        // Only where the caller leaves it out, and then `Mark` is a string.
        inboxState: createMemoryInboxState() as unknown as InboxState<Mark>,
        ...options,
      },
      this.dependencies,
    );
    return {
      client,
      links,
      async [Symbol.asyncDispose]() {
        await client[Symbol.asyncDispose]();
        for (const link of links) await link[Symbol.asyncDispose]();
      },
    };
  }
}
