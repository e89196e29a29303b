import { createSeededRandom } from '@pulsemesh/base';
import { envelopeOverheadBytes, sizeClasses } from '@pulsemesh/identity/envelope';
import { createMemoryEngine, type MailboxEngine, startRelayServer } from '@pulsemesh/relay';
import { expect, it } from 'vitest';
import { contactOf, dependencies, introduce, relayIdentity, startAgent } from './relayed-agents.ts';

const seed = 2;

it('row 2: of 10,000 messages of random sizes a relay sees the size classes, and nothing between them', async () => {
  const lengths = new Map<number, number>();
  const engine = createMemoryEngine({}, dependencies);
  // Counts what comes to be stored and keeps nothing.
  const append: MailboxEngine['append'] = async (batch) =>
    batch.map(({ envelope }) => {
      lengths.set(envelope.length, (lengths.get(envelope.length) ?? 0) + 1);
      return { kind: 'stored', offset: null, isNew: true };
    });
  await using server = await startRelayServer(
    {
      identity: relayIdentity,
      engine: Object.assign(engine, { append }),
      listen: { host: '127.0.0.1', port: 0, tls: null },
      limits: { messagesPerSecondMax: 1e6, messagesBurstMax: 1e6, bytesPerSecondMax: 1e9, bytesBurstMax: 1e9 },
    },
    dependencies,
  );
  await introduce(2, server.url);
  await using alice = await startAgent({ number: 1, url: server.url });
  const random = createSeededRandom(seed);
  const sizes = new Set<number>();
  for (let count = 0; count < 10_000; count += 100) {
    const sent = Array.from({ length: 100 }, () => {
      // As many small ones as large ones.
      const size = Math.floor(2 ** (random.float() * 17.5));
      sizes.add(size);
      return alice.client.send(contactOf(2), new Uint8Array(size), { receipts: false });
    });
    for (const { stored } of await Promise.all(sent)) await stored;
  }
  const classes = sizeClasses.map((size) => size + envelopeOverheadBytes.x25519);
  const seen = [...lengths.keys()].sort((one, other) => one - other);
  expect([...lengths.values()].reduce((sum, count) => sum + count)).toBe(10_000);
  expect(sizes.size).toBeGreaterThan(3_000);
  expect([seed, seen.filter((length) => !classes.includes(length))]).toEqual([seed, []]);
  // No class is there for show.
  expect(seen.length).toBeGreaterThanOrEqual(7);
}, 120_000);
