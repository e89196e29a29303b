import { chownSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createPrometheusMeter, createSystemClock, createSystemRandom, silentLogger } from '@pulsemesh/base';
import { identityOfSeed } from '@pulsemesh/identity';
import { parseEnrolmentToken } from '@pulsemesh/identity/authority';
import { enrolAgent, startAgent } from '@pulsemesh/node/relay';
import { addressOfKey } from '@pulsemesh/relay/client';
import { ed25519KeyOf, parsePeerId } from '@pulsemesh/wire';
import { describe, expect, it } from 'vitest';
import { CommandProcess, checkoutFor, temporaryDirectory } from './demo-process.ts';
import { listeningSockets, userOf } from './sockets.ts';

const deps = {
  clock: createSystemClock(),
  random: createSystemRandom(),
  logger: silentLogger,
  meter: createPrometheusMeter(),
};

/** Whoever owns nothing here; root may run as them, anybody else is unprivileged already. */
const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};

async function command(args: readonly string[]): Promise<string> {
  await using running = new CommandProcess(args);
  const code = await running.exited;
  if (code !== 0) throw new Error(`${args.slice(0, 2).join(' ')} ended with ${code}:\n${running.text}`);
  return running.text.trim();
}

describe.skipIf(process.platform !== 'linux')('a hospital’s agent (sockets are looked up in /proc)', () => {
  it('enrols and works as nobody, with one command, one token and nothing that listens; revoked, it is out at once', async () => {
    using directory = temporaryDirectory();
    const relayData = join(directory.path, 'relay');
    const agentData = join(directory.path, 'agent');
    const authority = (...args: readonly string[]) => command(['authority', ...args, '--data', relayData]);
    await authority('init', '--organisation', 'St. Mary');
    const relayArgs = ['relay', '--data', relayData, '--port', '0', '--log-level', 'error'];
    await using relay = new CommandProcess(relayArgs);
    await relay.seen(/"listening"/);
    const token = await authority('token', '--organisation', 'Ward 7');

    mkdirSync(agentData, { mode: 0o700 });
    if (nobody.uid !== undefined) {
      chownSync(agentData, nobody.uid, nobody.gid);
      chownSync(directory.path, nobody.uid, nobody.gid);
    }
    const enrolArgs = ['enrol', token, '--data', agentData, '--stay'];
    using checkout = checkoutFor(nobody);
    const asNobody = { ...nobody, checkout: checkout.path };
    await using agent = new CommandProcess(enrolArgs, { HOME: agentData }, asNobody);
    const [, peer = ''] = await agent.seen(/\{"enrolled":"(\w+)","organisation":"Ward 7","role":"agent"/);

    // It works: somebody else who enrolled reaches it through the relay.
    const asker = identityOfSeed(deps.random.bytes(32));
    const askerData = join(directory.path, 'asker');
    mkdirSync(askerData);
    const network = { proxy: { kind: 'none' } } as const;
    const second = parseEnrolmentToken(await authority('token', '--organisation', 'Trial office'));
    const enrolment = await enrolAgent({ dataDirectory: askerData, token: second, network }, asker, deps);
    await using running = await startAgent({ dataDirectory: askerData, network, enrolment }, asker, deps);
    await running.link.waitForSession();
    const address = addressOfKey(ed25519KeyOf(parsePeerId(peer)) ?? new Uint8Array(32));
    const answer = await running.client.raw.request(address, 'ping', Uint8Array.of(1, 2, 3));
    expect(answer).toEqual(Uint8Array.of(1, 2, 3));

    expect(listeningSockets(agent.pid)).toEqual([]);
    // The same look finds the one port of the relay.
    expect(listeningSockets(relay.pid)).toHaveLength(1);
    if (nobody.uid !== undefined) {
      expect([userOf(agent.pid), statSync(join(agentData, 'agent.crt')).uid]).toEqual([nobody.uid, nobody.uid]);
    }

    await authority('revoke', peer, '--reason', 'left');
    expect(await agent.exited).toBe(1);
    expect(agent.text).toContain('certificate-revoked');
    await using again = new CommandProcess(['enrol', '--data', agentData, '--stay'], { HOME: agentData }, asNobody);
    expect(await again.exited).toBe(1);
    expect(again.text).toMatch(/certificate-revoked/);
  });

  it('waits for a yes where it has an address instead of a token, and is not let in with a used token', async () => {
    using directory = temporaryDirectory();
    const relayData = join(directory.path, 'relay');
    const authority = (...args: readonly string[]) => command(['authority', ...args, '--data', relayData]);
    await authority('init', '--organisation', 'St. Mary');
    await using relay = new CommandProcess(['relay', '--data', relayData, '--port', '0', '--log-level', 'error']);
    await relay.seen(/"listening"/);
    const address = await authority('address');
    const wish = ['--organisation', 'Lab', '--role', 'storage'];
    await using asking = new CommandProcess([
      'enrol',
      address,
      '--data',
      join(directory.path, 'lab'),
      ...wish,
      '--json',
    ]);
    const [, peer] = await asking.seen(/This agent is (\w+)/);
    const [request] = JSON.parse(await authority('pending', '--json'));
    expect(request).toMatchObject({ peer, organisation: 'Lab', role: 'storage' });
    await authority('approve', request.id);
    await asking.seen(/"enrolled":"\w+","organisation":"Lab","role":"storage"/);
    expect(await asking.exited).toBe(0);

    const token = await authority('token', '--organisation', 'Ward 7');
    await command(['enrol', token, '--data', join(directory.path, 'one')]);
    await using late = new CommandProcess(['enrol', token, '--data', join(directory.path, 'two')]);
    expect(await late.exited).toBe(1);
    expect(late.text).toContain('token-unknown');
  });
});
