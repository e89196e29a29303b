import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPrometheusMeter, createSystemClock, createSystemRandom, silentLogger } from '@pulsemesh/base';
import { identityOfSeed } from '@pulsemesh/identity';
import {
  authorityFileNames,
  certificateFingerprint,
  createAuthorityFolder,
  createAuthorityService,
  Enrolment,
  openAuthorityFolder,
} from '@pulsemesh/identity/authority';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeLoopbackCertificate } from '../demo/certificates.ts';
import { agentFileNames, enrolAgent, networkMemoryFile, startAgent } from './agent.ts';
import { openAuthorityOperator } from './authority-operator.ts';
import { connectRelays } from './connect-relays.ts';
import { authorityFolderName } from './relay-authority.ts';
import { startRelayService } from './relay-service.ts';

const clock = createSystemClock({ unref: true });
const deps = { clock, random: createSystemRandom(), logger: silentLogger, meter: createPrometheusMeter() };
const dayMs = 86_400_000;
/** The same, the day before yesterday. */
const before = { ...deps, clock: { ...clock, now: () => clock.now() - 2 * dayMs } };
const network = { proxy: { kind: 'none' } } as const;
const relayIdentity = identityOfSeed(deps.random.bytes(32));
const identity = identityOfSeed(deps.random.bytes(32));

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pulsemesh-agent-'));
});
afterEach(() => rm(directory, { recursive: true, maxRetries: 5 }));

/** An authority, and an agent that enrolled there the day before yesterday, and a relay that runs today. */
async function expired() {
  const place = { directory: join(directory, authorityFolderName) };
  const facts = { organisation: 'St. Mary', relayUrl: null, relayPeer: relayIdentity.peerId };
  const { root } = await createAuthorityFolder(place, facts, before);
  const file = join(directory, agentFileNames.enrolment);
  const wanted = { relayPeer: relayIdentity.peerId, rootFingerprint: certificateFingerprint(root), secret: null };
  {
    await using folder = await openAuthorityFolder(place, before);
    const service = createAuthorityService(folder.authority, before);
    const secret = await folder.authority.createToken({ organisation: 'Ward 7', role: 'agent' });
    const token = { ...wanted, relayUrl: 'http://127.0.0.1:1', secret };
    const enrolment = await Enrolment.begin({ file, token }, identity, before);
    await enrolment.enrol((method, message) => service.handle(method, message, 'agent'));
  }
  const relay = await startRelayService({ host: '127.0.0.1', port: 0, dataDirectory: directory }, relayIdentity, deps);
  await Enrolment.begin({ file, token: { ...wanted, relayUrl: relay.url } }, identity, deps);
  const enrolment = await Enrolment.open(file, identity, deps);
  if (enrolment === null) throw new Error('no enrolment');
  expect(enrolment.membership).toBeNull();
  const isMember = new Promise<void>((resolve) => {
    relay.sessions.onSession(({ remote }) => {
      if (!remote.isGuest) resolve();
    });
  });
  return { relay, enrolment, isMember };
}

describe('an agent whose certificate ran out while it was away', () => {
  it('comes in as a guest, fetches the next one, and is a member again without being started anew', async () => {
    const { relay, enrolment, isMember } = await expired();
    await using _relay = relay;
    await using agent = await startAgent({ dataDirectory: directory, network, enrolment }, identity, deps);
    await isMember;
    expect(enrolment.membership?.organisation).toBe('Ward 7');
    await agent.link.waitForSession();
    expect(agent.link.status.sessions).toBe(2);
  });

  it('remembers over restarts what worked on this network, as an agent and as a node', async () => {
    const { relay, enrolment } = await expired();
    await using _relay = relay;
    const file = join(directory, networkMemoryFile);
    const remembered = () => readFile(file, 'utf8').catch(() => '');
    {
      await using agent = await startAgent({ dataDirectory: directory, network, enrolment }, identity, deps);
      await agent.link.waitForSession();
      await expect.poll(remembered, { timeout: 10_000 }).not.toBe('');
    }
    await rm(file);
    const settings = { url: relay.url, peerId: relayIdentity.peerId };
    await using _sessions = await connectRelays({ relays: [settings], dataDirectory: directory }, identity, deps);
    await expect.poll(remembered, { timeout: 10_000 }).not.toBe('');
  });

  it('is a member again as a node with that relay in its configuration', async () => {
    const { relay, isMember } = await expired();
    await using _relay = relay;
    const settings = { url: relay.url, peerId: relayIdentity.peerId };
    await using sessions = await connectRelays({ relays: [settings], dataDirectory: directory }, identity, deps);
    await isMember;
    expect(sessions.status()).toHaveLength(1);
  });

  it('fetches one with `enrol` too, and is refused once it was revoked', async () => {
    const { relay } = await expired();
    await using _relay = relay;
    const options = { dataDirectory: directory, token: null, network };
    const enrolment = await enrolAgent(options, identity, deps);
    expect(enrolment.membership).not.toBeNull();
    await using operator = await openAuthorityOperator({ directory: join(directory, authorityFolderName) }, deps);
    expect(operator.runningAt).toBe(relay.url);
    await using agent = await startAgent({ dataDirectory: directory, network, enrolment }, identity, deps);
    await agent.link.waitForSession();
    await operator.revoke({ peer: identity.peerId }, 'left');
    expect(await agent.ended).toMatchObject({ code: 'certificate-revoked' });
  });
});

describe('an operator’s command', () => {
  it('finds the relay that runs, behind TLS too, and works on its data where none does', async () => {
    const place = { directory: join(directory, authorityFolderName) };
    const facts = { organisation: 'St. Mary', relayUrl: null, relayPeer: relayIdentity.peerId };
    await createAuthorityFolder(place, facts, deps);
    const made = await makeLoopbackCertificate('relay', clock.now(), 2);
    const tls = { certFile: join(directory, 'relay.crt'), keyFile: join(directory, 'relay.key') };
    await writeFile(tls.certFile, made.cert);
    await writeFile(tls.keyFile, made.key);
    {
      const options = { host: '127.0.0.1', port: 0, dataDirectory: directory, tls };
      await using relay = await startRelayService(options, relayIdentity, deps);
      await using operator = await openAuthorityOperator(place, deps);
      expect(operator.runningAt).toBe(relay.url);
      await operator.revoke({ peer: identity.peerId }, 'known thief');
      await expect(operator.approve('0123456789abcdef')).rejects.toMatchObject({ code: 'request-unknown' });
      expect((await operator.crl()).length).toBeGreaterThan(100);
      // Another certificate on that port: nothing is said to whoever shows it.
      const door = join(place.directory, authorityFileNames.door);
      await writeFile(door, JSON.stringify({ url: relay.url, certificateSha256: '00'.repeat(32) }));
      await expect(openAuthorityOperator(place, deps)).rejects.toMatchObject({ code: 'door-certificate' });
      // A second relay on the same data changes nothing for the operator of the first.
      await rm(door);
      await expect(startRelayService(options, relayIdentity, deps)).rejects.toMatchObject({ code: 'store-in-use' });
      const sha = Buffer.from(relay.link.certificateSha256() ?? []).toString('hex');
      await writeFile(door, JSON.stringify({ url: relay.url, certificateSha256: sha }));
      await using still = await openAuthorityOperator(place, deps);
      expect(still.runningAt).toBe(relay.url);
      // Killed, and something else has its port: the data is worked on.
      await writeFile(door, JSON.stringify({ url: relay.url, certificateSha256: '00'.repeat(32) }));
    }
    await using alone = await openAuthorityOperator(place, deps);
    expect([alone.runningAt, await alone.pending()]).toEqual([null, []]);
    expect((await alone.agents())[0]).toMatchObject({ peer: identity.peerId, revoked: { reason: 'known thief' } });
  });
});

describe('a relay that nobody is named for', () => {
  it('listens beyond this machine only when told that it is open', async () => {
    const options = { host: '0.0.0.0', port: 0, dataDirectory: directory };
    await expect(startRelayService(options, relayIdentity, deps)).rejects.toMatchObject({
      code: 'config-invalid',
      message: expect.stringContaining('authority init'),
    });
    await using open = await startRelayService({ ...options, host: '127.0.0.1' }, relayIdentity, deps);
    expect(open.url).toMatch(/^http:/);
  });
});
