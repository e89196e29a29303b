import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSystemClock, createSystemRandom } from '@pulsemesh/base';
import { identityFileNames, loadOrCreateIdentity } from '@pulsemesh/identity';
import { describe, expect, it } from 'vitest';
import { namespacesAbsence, type Peer, Wires } from './namespaces.ts';

const deps = { clock: createSystemClock(), random: createSystemRandom() };

/** A node's data directory with the identity that it will have. */
async function place(root: string, name: string) {
  const dataDirectory = join(root, name);
  mkdirSync(dataDirectory, { mode: 0o700 });
  const [file, keyFile] = [identityFileNames.identity, identityFileNames.keyFile].map((each) =>
    join(dataDirectory, each),
  ) as [string, string]; // two for two
  return { name, dataDirectory, peer: (await loadOrCreateIdentity({ file, keyFile }, deps)).peerId };
}

/** A ward and an office, each behind a router of its own, and a circuit relay on the public network between the routers. */
async function startWorld(wires: Wires, root: string) {
  const [ward, office, relay] = await Promise.all(['ward', 'office', 'relay'].map((name) => place(root, name)));
  if (ward === undefined || office === undefined || relay === undefined) throw new Error('three for three');
  const [wardMachine, wardRouter, officeMachine, officeRouter, relayMachine] = Array.from({ length: 5 }, () =>
    wires.machine(),
  ) as [string, string, string, string, string]; // as many
  wires.join([relayMachine, wardRouter, officeRouter], 9);
  wires.join([wardMachine, wardRouter], 1);
  wires.join([officeMachine, officeRouter], 2);
  wires.masquerade(wardMachine, wardRouter, 1);
  wires.masquerade(officeMachine, officeRouter, 2);
  const relayAddress = `/ip4/198.18.9.1/tcp/4001/p2p/${relay.peer}`;
  const settingsOf = ({ name, dataDirectory }: typeof ward) => ({ name, dataDirectory, lan: 'off' });
  const behindRouter = {
    ...{ listen: ['/ip4/0.0.0.0/tcp/0'], bootstrap: [relayAddress], trust: [ward.peer, office.peer] },
    nat: { circuitRelay: 'client', relays: [relayAddress], autonat: true, holePunching: true },
  };
  const startRelay = () =>
    wires.startNode(relayMachine, {
      ...{ ...settingsOf(relay), roles: ['bootstrap'], listen: ['/ip4/198.18.9.1/tcp/4001'] },
      ...{ allow: [ward.peer, office.peer], nat: { circuitRelay: 'server' } },
    });
  const running = await startRelay();
  const [atWard, atOffice] = await Promise.all([
    wires.startNode(wardMachine, {
      ...{ ...settingsOf(ward), ...behindRouter, roles: ['ingest', 'aggregation'], mqtt: { port: 0 } },
    }),
    wires.startNode(officeMachine, {
      ...{ ...settingsOf(office), ...behindRouter, roles: ['storage', 'gateway'], http: { port: 0 } },
    }),
  ]);
  return { atWard, atOffice, relay: running, startRelay };
}

/** Readings that a wearer in the ward sends come to be stored in the office. */
async function expectStored(atWard: Peer, atOffice: Peer, count: number): Promise<void> {
  atWard.publish('publish');
  await atWard.heard((line) => line.kind === 'published' && line.count === count);
  await atOffice.heard(({ stored }) => stored === count);
}

describe.skipIf(namespacesAbsence() !== null)('nodes that are each behind a router that lets nobody in', () => {
  it('store readings and hear each other’s events through a circuit relay, and again after it was restarted', {
    timeout: 180_000,
  }, async () => {
    const root = mkdtempSync(join(tmpdir(), 'pulsemesh-nat-'));
    try {
      await using wires = new Wires(deps.random);
      const { atWard, atOffice, relay, startRelay } = await startWorld(wires, root);
      atOffice.publish('register');
      await atOffice.heard(({ kind }) => kind === 'registered');
      await expectStored(atWard, atOffice, 20);
      // Announcements of who is there and who is known travel by publish/subscribe, which the relay itself has not.
      await atWard.heard(({ delivered }) => (delivered ?? 0) > 0);
      await relay.stop();
      const again = await startRelay();
      expect(again.id).toBe(relay.id);
      await expectStored(atWard, atOffice, 40);
    } finally {
      rmSync(root, { recursive: true, force: true, maxRetries: 3 });
    }
  });
});
