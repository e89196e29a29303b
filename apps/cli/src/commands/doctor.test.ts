import { createSystemClock, createSystemRandom, silentLogger, silentMeter } from '@pulsemesh/base';
import { identityOfSeed } from '@pulsemesh/identity';
import { createSessionServer } from '@pulsemesh/link';
import { startLinkServer } from '@pulsemesh/link/server';
import { describe, expect, it } from 'vitest';
import { runProgram } from '../program.ts';

const dependencies = {
  clock: createSystemClock(),
  random: createSystemRandom(),
  logger: silentLogger,
  meter: silentMeter,
};

async function run(...args: string[]) {
  const out: string[] = [];
  const err: string[] = [];
  const code = await runProgram(args, { out: (line) => out.push(line), err: (line) => err.push(line) });
  return { code, out: out.join('\n'), err: err.join('\n') };
}

async function startServer() {
  const identity = identityOfSeed(new Uint8Array(32).fill(1));
  const sessions = createSessionServer({ identity, certificateSha256: () => null }, dependencies);
  const onCarrier = sessions.accept.bind(sessions);
  const server = await startLinkServer({ host: '127.0.0.1', port: 0, tls: null }, { ...dependencies, onCarrier });
  return {
    url: server.url,
    async [Symbol.asyncDispose]() {
      await sessions[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

describe('pulsemesh doctor', () => {
  it('tells people and programs what passes, and exits with 0', async () => {
    await using server = await startServer();
    const shown = await run('doctor', server.url, '--wait', '0.1');
    expect(shown).toMatchObject({ code: 0, err: '' });
    expect(shown.out).toMatch(/^Pulsemesh connects to http:\/\/127\.0\.0\.1:\d+\/, by [a-z-]+, within [\d.]+ ms\.$/m);
    expect(shown.out).toMatch(/^ok {2}long-poll +first echo [\d.]+ ms, then [\d.]+ ms$/m);
    const { out } = await run('doctor', server.url, '--wait', '0.1', '--json');
    expect(JSON.parse(out)).toMatchObject({
      chosen: expect.any(String),
      firstEchoMs: expect.any(Number),
      transports: expect.arrayContaining([
        { name: 'websocket', ok: true, reason: null, firstEchoMs: expect.any(Number), rttMs: expect.any(Number) },
      ]),
      layers: expect.arrayContaining([{ name: 'tcp', state: 'ok', finding: expect.any(String), advice: null }]),
    });
  });

  it('says what is in the way, and exits with 1; with 2 when it was called wrongly', async () => {
    const blocked = await run('doctor', 'https://127.0.0.1:1', '--proxy', 'http://u:secret@127.0.0.1:2');
    expect(blocked.code).toBe(1);
    expect(blocked.out).toContain('NO  tcp');
    expect(blocked.out).toContain('What an administrator could change:');
    expect(blocked.out).not.toContain('secret');
    expect((await run('doctor')).code).toBe(2);
    expect(await run('doctor', 'ftp://x')).toMatchObject({ code: 1, out: '' });
  });
});
