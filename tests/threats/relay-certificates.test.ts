import { createTestAuthority } from '@pulsemesh/link/testing';
import { createMemoryEngine, startRelayServer } from '@pulsemesh/relay';
import { expect, it } from 'vitest';
import { contactOf, dependencies, relayIdentity, startAgent, transports } from './relayed-agents.ts';

const rotations = 5;

it('row 23: a relay whose certificate is renewed again and again under load fails no message and no agent', async () => {
  const authority = createTestAuthority('Messaging');
  const issue = () => {
    const { certificatePem: cert, keyPem: key } = authority.issue();
    return { cert, key };
  };
  let material = issue();
  await using server = await startRelayServer(
    {
      identity: relayIdentity,
      engine: createMemoryEngine({}, dependencies),
      listen: { host: '127.0.0.1', port: 0, tls: () => material },
    },
    dependencies,
  );
  const link = { trust: { caPems: [authority.certificatePem], isExclusive: true } };
  await using bob = await startAgent({ number: 2, url: server.url, link });
  await bob.known;
  const given: string[] = [];
  bob.client.receive(async ({ bytes }) => void given.push(Buffer.from(bytes).toString()));
  await using alice = await startAgent({ number: 1, url: server.url, link });
  const texts: string[] = [];
  const shown = new Set<string>();
  let isOver = false;
  const sending = (async () => {
    while (!isOver) {
      const text = `${texts.length}`;
      texts.push(text);
      await (await alice.client.send(contactOf(2), Buffer.from(text), { receipts: false })).stored;
    }
  })();
  for (let rotation = 0; rotation < rotations; rotation += 1) {
    material = issue();
    expect(server.link.renewCertificate()).toBe(true);
    const before = texts.length;
    // A new connection each, under the new certificate.
    const transport = transports[rotation % transports.length] ?? 'websocket';
    await Promise.all([alice.link.use(transport), bob.link.use(transport)]);
    const { carriers = [] } = alice.link.status.session ?? {};
    shown.add(carriers.find(({ isActive }) => isActive)?.connection.certificateSha256 ?? '');
    await expect.poll(() => texts.length).toBeGreaterThan(before + 20);
    // Renewed, not exchanged by somebody in between.
    expect(alice.link.status.isIntercepted).not.toBe(true);
  }
  isOver = true;
  await sending;
  await expect.poll(() => given.length).toBe(texts.length);
  expect(given).toEqual(texts);
  expect(shown.size).toBe(rotations);
  expect([alice.link.status.sessions, bob.link.status.sessions]).toEqual([1, 1]);
});
