import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createFakeBackend, startTestGateway } from '@pulsemesh/node/testing';
import { describe, expect, it } from 'vitest';
import { settingsOf } from './commands/node.ts';
import { runProgram } from './program.ts';

const token = 't'.repeat(43);

async function run(...args: string[]) {
  const out: string[] = [];
  const err: string[] = [];
  const code = await runProgram(args, { out: (line) => out.push(line), err: (line) => err.push(line) });
  return { code, out: out.join('\n'), err: err.join('\n') };
}

async function startGateway() {
  const backend = createFakeBackend();
  const server = await startTestGateway(backend, token);
  const tokenFile = join(mkdtempSync(join(tmpdir(), 'pulsemesh-cli-')), 'token');
  writeFileSync(tokenFile, `${token}\n`);
  const at = ['--url', `http://127.0.0.1:${server.port}/`, '--token-file', tokenFile];
  return { at, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

describe('the command', () => {
  it('teaches by example', async () => {
    const { code, out } = await run('--help');
    expect(code).toBe(0);
    expect(out).toContain('$ pulsemesh start');
    for (const command of ['start', 'node', 'relay', 'doctor', 'status', 'replay', 'patients', 'model', 'simulate']) {
      expect(out).toContain(`  ${command} `);
    }
    expect((await run('help', 'node')).out).toContain('--roles storage,prediction');
    expect((await run('research', 'dispute', '--help')).out).toContain(
      'Say that the key on the ledger is worth nothing',
    );
  });

  it('says in words what a privacy parameter means', async () => {
    const { out } = await run('help', 'node');
    expect(out).toContain('--epsilon <number>');
    expect(out).toContain('With ε = 3, somebody who can name a topic');
    expect(out).toContain('With ε = 2, somebody who can name a topic');
    expect(settingsOf({ roles: ['storage'], epsilon: 2 })).toMatchObject({ overlay: { epsilon: 2 } });
    const { code, err } = await run('node', '--roles', 'storage', '--data', '/tmp/nowhere', '--epsilon', '50');
    expect(code).toBe(1);
    expect(err).toContain('overlay.epsilon: ε is 0.25 … 20');
  });

  it('simulates a whole network, and lists what it can simulate', async () => {
    expect((await run('simulate', '--help')).out).toContain('  rings ');
    const { code, out } = await run('simulate', 'sampling', '--nodes', '8', '--byzantine', '0', '--seconds', '20');
    expect(out).toContain('sampling seed 1: holds');
    expect(code).toBe(0);
  });

  it.each([
    ['an unknown command', ['frob']],
    ['a speed that is none', ['start', '--speed', 'fast']],
    ['a report without an end', ['start', '--report', 'r.json']],
    ['a process that does not exist', ['start', '--leave-dead', 'king']],
    ['a gateway without its token', ['status', '--url', 'http://127.0.0.1:1']],
    ['a certificate without its key', ['relay', '--tls-cert', 'relay.crt']],
    ['a keystore that there is not', ['relay', '--keystore', 'safe']],
    ['two protections of an agent', ['receive', '--keystore', '--key-file', 'k', '--data', '/tmp/nowhere']],
    ['a message for nobody', ['send', 'letter.txt', '--data', '/tmp/nowhere']],
    ['a request id that is none', ['authority', 'approve', 'zz', '--data', '/tmp/nowhere']],
    ['a token for longer than any', ['authority', 'token', '--organisation', 'X', '--hours', '100000']],
    ['a relay URL of another kind', ['authority', 'token', '--organisation', 'X', '--url', 'ftp://x']],
    ['a server that has no name', ['authority', 'tls', 'a b', '--data', '/tmp/nowhere']],
    ['a role that is none', ['enrol', '--role', 'king', '--data', '/tmp/nowhere']],
    ['a token twice', ['enrol', 'pm1.x', '--token-file', '-', '--data', '/tmp/nowhere']],
    ['a token file that is not there', ['enrol', '--token-file', '/nowhere/token', '--data', '/tmp/nowhere']],
    ['a CA file that is not there', ['enrol', '--ca', '/nowhere/ca.pem', '--data', '/tmp/nowhere']],
    ['a peer id that is none', ['doctor', 'https://127.0.0.1:1', '--peer', 'abc']],
    ['a patient without a name', ['patients', 'add', '--user-id', 'x']],
    ['fewer folds than two', ['model', 'evaluate', '--recordings', '.', '--folds', '1']],
  ])('says what is wrong with %s, and exits with 2', async (_what, args) => {
    const { code, err } = await run(...args);
    expect(code).toBe(2);
    expect(err).not.toBe('');
    expect(err).not.toMatch(/\n {2,}at /);
  });

  it('says in a sentence what failed and in another what to do, and exits with 1', async () => {
    await using gateway = await startGateway();
    const missing = await run('patients', 'list', '--url', 'http://127.0.0.1:1', ...gateway.at.slice(2));
    expect(missing).toMatchObject({ code: 1 });
    expect(missing.err).toMatch(/^pulsemesh: no Pulsemesh answers at http:\/\/127\.0\.0\.1:1\.\nStart it with/);
    const config = await run('node', '--roles', 'king', '--data', '/tmp/nowhere');
    expect(config).toMatchObject({ code: 1 });
    expect(config.err).toMatch(/^pulsemesh: roles\.0: /);
  });
});

describe('with a gateway', () => {
  it('registers, shows and changes a patient', async () => {
    await using gateway = await startGateway();
    const who = ['--user-id', 'my-watch', '--name', 'Robin Ashdown', '--email', 'robin@example.org'];
    const added = await run('patients', 'add', ...gateway.at, ...who, '--tell', 'patient', '--json');
    expect(JSON.parse(added.out)).toMatchObject({
      userId: 'my-watch',
      doctor: null,
      tells: { patient: true, doctor: false },
    });
    const doctor = ['--doctor-name', 'Dr. Toni Berg', '--doctor-email', 'berg@example.org', '--tell', 'patient,doctor'];
    const edited = await run('patients', 'edit', 'my-watch', ...gateway.at, ...doctor, '--json');
    expect(JSON.parse(edited.out)).toMatchObject({ name: 'Robin Ashdown', doctor: { name: 'Dr. Toni Berg' } });
    const listed = await run('patients', 'list', ...gateway.at);
    expect(listed.out).toMatch(/Robin Ashdown +robin@example\.org +Dr\. Toni Berg +patient\+doctor +live +my-watch/);
    const again = await run('patients', 'add', ...gateway.at, ...who);
    expect([again.code, again.err]).toEqual([1, 'pulsemesh: a patient with this userId is registered already.']);
  });

  it('tells the state of the network, for people and for programs', async () => {
    await using gateway = await startGateway();
    const shown = await run('status', ...gateway.at);
    expect(shown.out).toMatch(/alerts +0 open/);
    expect(shown.out).toContain('Screening, not diagnosis.');
    const { out } = await run('status', ...gateway.at, '--json');
    expect(Object.keys(JSON.parse(out))).toEqual(['overview', 'network', 'patients', 'alerts']);
  });

  it('is refused with a wrong token', async () => {
    await using gateway = await startGateway();
    const other = join(mkdtempSync(join(tmpdir(), 'pulsemesh-cli-')), 'token');
    writeFileSync(other, 'x'.repeat(43));
    const { code, err } = await run('status', ...gateway.at.slice(0, 2), '--token-file', other);
    expect(code).toBe(1);
    expect(err).toContain('Give the token of that gateway');
  });
});
