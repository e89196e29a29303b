import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Condition } from '@pulsemesh/base';
import { identityOfSeed } from '@pulsemesh/identity';
import { openEnvelope, sealEnvelope } from '@pulsemesh/identity/envelope';
import { connectLink, type LinkSession } from '@pulsemesh/link';
import { startBox } from '@pulsemesh/link/testing';
import { addressOfKey } from '@pulsemesh/relay';
import { connectRelay, createEnvelopeSealer, createMemoryInboxState } from '@pulsemesh/relay/client';
import { fromHex, toHex } from '@pulsemesh/wire';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pythonAbsence, pythonClientRoot, pythonCommand, startPythonAgent } from './python-process.ts';
import { dependencies, type HomeAgent, type RelayWorld, startRelayWorld } from './relay-world.ts';

const absence = pythonAbsence();
if (absence !== null) process.stderr.write(`the Python client is not tested: ${absence}\n`);

const encode = (text: string) => new TextEncoder().encode(text);
const numbered = (text: string, count: number) => Array.from({ length: count }, (_, index) => `${text} ${index}`);

describe.skipIf(absence !== null)('the Python client', () => {
  let world: RelayWorld;
  let home: HomeAgent;
  beforeAll(async () => {
    world = await startRelayWorld();
    home = await world.connectHome();
  });
  afterAll(() => world[Symbol.asyncDispose]());

  function startPython(options: { url?: string; transports?: string[]; proxy?: string; server?: string } = {}) {
    const seed = dependencies.random.bytes(32);
    const identity = identityOfSeed(seed);
    const agent = startPythonAgent(seed, {
      url: world.url,
      server: world.identity.peerId,
      ca_file: world.caFile,
      ...options,
    });
    return { agent, identity, address: addressOfKey(identity.publicKey) };
  }

  async function sendFromHome(to: ReturnType<typeof addressOfKey>, texts: readonly string[]) {
    for (const text of texts) await home.client.raw.send([to], encode(text));
  }

  describe.each(['websocket', 'long-poll'])('over %s', (transport) => {
    it('sends and receives, requests, streams and is called', async () => {
      const { agent, address } = startPython({ transports: [transport] });
      await using python = agent;
      expect(await python.ask({ do: 'status' })).toMatchObject({ transport, address: String(address), sessions: 1 });
      const before = home.received.length;
      await python.ask({ do: 'send', to: home.client.address, text: `by ${transport}`, count: 3 });
      await home.receivedCount(before + 3);
      expect(home.received.slice(before)).toEqual(numbered(`by ${transport}`, 3));
      await sendFromHome(address, ['one', 'two']);
      expect(await python.ask({ do: 'receive', count: 2 })).toEqual(['one', 'two']);

      expect(await python.ask({ do: 'request', to: home.client.address, name: 'upper', text: 'ward 7' })).toBe(
        'WARD 7',
      );
      // Longer than a part, and longer than the credit there is to begin with.
      const lengths = [0, 1, 16_384, 16_385, 700_000];
      const streamed = await python.ask({ do: 'stream', to: home.client.address, name: 'echo', lengths });
      expect(streamed).toEqual({ same: lengths, end: null });
      const answer = await home.client.raw.request(address, 'python.reverse', encode('abc'));
      expect(new TextDecoder().decode(answer)).toBe('cba');
      await expect(home.client.raw.request(address, 'python.none', encode('abc'))).rejects.toThrow();
      await expect(python.ask({ do: 'request', to: '00'.repeat(16), name: 'upper', text: 'x' })).rejects.toThrow(
        'peer-offline',
      );
    });
  });

  it('carries a thousand messages each way, once and in order, while its carriers are cut', async () => {
    const { agent, address } = startPython();
    await using python = agent;
    await python.ask({ do: 'status' });
    const before = home.received.length;
    const sending = python.ask({ do: 'send', to: home.client.address, text: 'cut', count: 1000, cutEvery: 90 });
    const receiving = python.ask({ do: 'receive', count: 1000, cutEvery: 110 });
    await sendFromHome(address, numbered('home', 1000));
    expect(await receiving).toEqual(numbered('home', 1000));
    await sending;
    await home.receivedCount(before + 1000);
    expect(home.received.slice(before)).toEqual(numbered('cut', 1000));
    const { carriers, sessions } = (await python.ask({ do: 'status' })) as { carriers: number; sessions: number };
    expect(carriers).toBeGreaterThan(1);
    expect(sessions).toBe(1);
  });

  it('moves between its transports with a stream open', async () => {
    const { agent } = startPython();
    await using python = agent;
    await python.ask({ do: 'status' });
    const lengths = Array.from({ length: 20 }, (_, index) => 1000 * index);
    const streaming = python.ask({ do: 'stream', to: home.client.address, name: 'echo', lengths });
    await python.ask({ do: 'use', transport: 'long-poll' });
    expect(await streaming).toEqual({ same: lengths, end: null });
  });

  it('publishes and subscribes', async () => {
    const { agent } = startPython();
    await using python = agent;
    const topic = toHex(dependencies.random.bytes(16));
    const id = topic as Parameters<typeof home.client.raw.publish>[0]; // 32 hex digits are an inbox id's spelling
    await python.ask({ do: 'subscribe', to: topic });
    // Nothing tells that a subscription stands: published until it comes.
    const heard = python.ask({ do: 'topic' });
    const repeating = setInterval(() => home.client.raw.publish(id, encode('news')), 50);
    try {
      expect(await heard).toBe('news');
    } finally {
      clearInterval(repeating);
    }
    const { promise, resolve } = Promise.withResolvers<string>();
    using _subscription = home.client.raw.subscribe(id, (payload: Uint8Array) => {
      const text = new TextDecoder().decode(payload);
      if (text === 'from Python') resolve(text);
    });
    const again = setInterval(() => void python.ask({ do: 'publish', to: topic, text: 'from Python' }), 50);
    try {
      expect(await promise).toBe('from Python');
    } finally {
      clearInterval(again);
    }
  });

  it('passes a proxy that wants a password and strips Upgrade', async () => {
    const tls = { ca: world.authority.certificatePem };
    const target = { host: '127.0.0.1', port: world.server.link.port, tls };
    const credentials = { username: 'ward', password: 'p@ss word' };
    const rules = { proxy: { auth: 'basic', credentials }, http: { upgrade: 'strip' } } as const;
    await using box = await startBox({ rules, target, authority: world.authority }, dependencies);
    const proxy = box.proxyUrl?.replace('http://', `http://ward:${encodeURIComponent('p@ss word')}@`) ?? '';
    await using python = startPython({ proxy }).agent;
    expect(await python.ask({ do: 'status' })).toMatchObject({ transport: 'long-poll' });
  });

  it('passes a box that cuts every request after 150 ms, by shorter and shorter polls', async () => {
    const target = { host: '127.0.0.1', port: world.server.link.port, tls: { ca: world.authority.certificatePem } };
    const rules = { http: { upgrade: 'refuse', requestMsMax: 150 } } as const;
    await using box = await startBox({ rules, target, authority: world.authority }, dependencies);
    const { agent, address } = startPython({ url: `https://localhost:${box.port}` });
    await using python = agent;
    expect(await python.ask({ do: 'status' })).toMatchObject({ transport: 'long-poll' });
    // Polls that nobody answers are cut, until they are short enough.
    for (const carriers of [2, 4]) {
      expect(await python.ask({ do: 'carriers', count: carriers })).toBe(1);
      await sendFromHome(address, numbered(`${carriers} carriers`, 50));
      expect(await python.ask({ do: 'receive', count: 50 })).toEqual(numbered(`${carriers} carriers`, 50));
    }
  });

  it('refuses a server with another key than the one it expects', async () => {
    const other = identityOfSeed(dependencies.random.bytes(32)).peerId;
    await using python = startPython({ server: other }).agent;
    await expect(python.ask({ do: 'status' })).rejects.toThrow('impostor');
  });

  it('refuses a certificate that nobody it trusts has signed', async () => {
    const seed = dependencies.random.bytes(32);
    await using python = startPythonAgent(seed, { url: world.url, server: world.identity.peerId });
    await expect(python.ask({ do: 'status', seconds: 0.5 })).rejects.toThrow('certificate');
  });

  it('seals for us and opens what we sealed', async () => {
    const { agent, identity } = startPython();
    await using python = agent;
    const context = 'tests/clients';
    for (const text of ['', 'rhythm', 'long '.repeat(10_000)]) {
      const hex = await python.ask({ do: 'seal', key: toHex(home.identity.sealing.publicKey), text, context });
      const opened = openEnvelope(fromHex(String(hex)), { to: home.identity, context });
      expect({ from: opened.from, text: new TextDecoder().decode(opened.content) }).toEqual({
        from: identity.peerId,
        text,
      });
      const to = { sealingKey: identity.sealing.publicKey };
      const envelope = sealEnvelope({ from: home.identity, to, content: encode(text), context }, dependencies);
      expect(await python.ask({ do: 'open', envelope: toHex(envelope), context })).toEqual({
        from: toHex(home.identity.publicKey),
        text,
      });
      await expect(python.ask({ do: 'open', envelope: toHex(envelope), context: 'other' })).rejects.toThrow('sealed');
    }
  });

  it('writes sealed messages to our client, and reads its own', async () => {
    const { agent, identity } = startPython();
    await using python = agent;
    const own = identityOfSeed(dependencies.random.bytes(32));
    const contact = { publicKey: identity.publicKey, sealingKey: identity.sealing.publicKey };
    const sealer = createEnvelopeSealer({ identity: own, contactOf: () => contact }, dependencies);
    const trust = { caPems: [world.authority.certificatePem], isExclusive: true };
    await using link = await connectLink(
      { url: world.url, server: world.identity.peerId, identity: own, software: 'test', trust },
      dependencies,
    );
    await using client = await connectRelay(
      { relays: [{ name: 'one', link }], identity: own, sealer, inboxState: createMemoryInboxState() },
      dependencies,
    );
    const arrived = Promise.withResolvers<string>();
    client.receive(async ({ bytes }) => arrived.resolve(new TextDecoder().decode(bytes)));
    const keys = { publicKey: toHex(own.publicKey), sealingKey: toHex(own.sealing.publicKey) };
    await python.ask({ do: 'sendSealed', ...keys, text: 'round 7' });
    expect(await arrived.promise).toBe('round 7');
    await client.send(contact, encode('round 8'));
    expect(await python.ask({ do: 'receiveSealed' })).toEqual({ from: keys.publicKey, text: 'round 8' });
  });

  it('begins a new session when the relay ended the old one, and its mailbox goes on', async () => {
    const { agent, identity, address } = startPython();
    await using python = agent;
    const sessions: LinkSession[] = [];
    world.server.sessions.onSession((session) => {
      if (session.remote.peerId === identity.peerId) sessions.push(session);
    });
    await python.ask({ do: 'status' });
    const receiving = python.ask({ do: 'receive', count: 2 });
    await sendFromHome(address, ['before']);
    sessions[0]?.end(new Condition('draining', 'the relay restarts', { retryable: true }));
    await sendFromHome(address, ['after']);
    expect(await receiving).toEqual(['before', 'after']);
    expect(await python.ask({ do: 'status' })).toMatchObject({ sessions: 2 });
  });

  it('keeps its limits', async () => {
    const { stderr } = await promisify(execFile)(pythonCommand.path, ['-m', 'unittest', 'test_pulsemesh_link'], {
      cwd: pythonClientRoot,
      env: pythonCommand.env,
    });
    expect(stderr).toMatch(/\nOK\n$/);
  });

  it('is a program as well', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'pulsemesh-python-'));
    try {
      const options = ['--url', world.url, '--server', world.identity.peerId, '--ca', world.caFile];
      const own = ['--identity', join(directory, 'key')];
      const { stdout } = await promisify(execFile)(
        pythonCommand.path,
        ['-m', 'pulsemesh_link', ...options, ...own, 'request', home.identity.peerId, 'upper', 'hello'],
        { env: pythonCommand.env },
      );
      expect(stdout).toBe('HELLO\n');
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
});
