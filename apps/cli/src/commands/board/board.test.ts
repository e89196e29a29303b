import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { runProgram } from '../../program.ts';

const main = fileURLToPath(new URL('../../main.ts', import.meta.url));
let stack = new AsyncDisposableStack();

afterEach(async () => {
  await stack.disposeAsync();
  stack = new AsyncDisposableStack();
});

function aDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'pulsemesh-board-'));
  stack.defer(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A command that runs on, with its first line. */
async function start(...args: string[]): Promise<{ child: ChildProcess; first: Record<string, string> }> {
  const child = spawn(process.execPath, [main, 'board', ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
  stack.defer(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGTERM');
    await once(child, 'exit');
  });
  const lines = createInterface({ input: child.stdout });
  const [line] = (await once(lines, 'line')) as [string];
  return { child, first: JSON.parse(line) as Record<string, string> };
}

async function run(...args: string[]) {
  const out: string[] = [];
  const err: string[] = [];
  const code = await runProgram(args, { out: (line) => out.push(line), err: (line) => err.push(line) });
  return { code, out: out.join('\n'), err: err.join('\n') };
}

describe('pulsemesh board', () => {
  it('serves, admits, adds, lists, gives receipts that verify offline, and notices a key it did not enrol', async () => {
    const [boardData, own, place] = [aDirectory(), aDirectory(), aDirectory()];
    const policy = join(place, 'policy.json');
    const at = ['--policy', policy];
    const { first, child } = await start('serve', '--port', '0', '--data', boardData);
    expect((await run('board', 'list', ...at)).code).toBe(2);
    expect((await run('board', 'init', first['listening'] ?? '', first['key'] ?? '', ...at)).code).toBe(0);
    const created = await run('identity', 'create', '--data', own, '--json');
    const { peerId } = JSON.parse(created.out) as { peerId: string };
    const enrol = ['board', 'enrol', '--name', 'St. Anna', '--data', own, ...at];
    const stranger = await run(...enrol);
    expect([stranger.code, stranger.err]).toEqual([1, expect.stringContaining('pulsemesh board admit')]);
    expect((await run('board', 'admit', peerId, '--data', boardData)).code).toBe(0);
    expect((await run(...enrol)).out).toMatch(/^#0 [0-9a-f]{64}$/);
    const body = join(place, 'body.json');
    writeFileSync(body, '{"title":"Maintenance","text":"Away on Sunday."}');
    const add = ['board', 'add', 'announcement', body, '--data', own, ...at, '--json'];
    expect(JSON.parse((await run(...add)).out)).toMatchObject({ index: 1 });
    expect(JSON.parse((await run(...add)).out)).toMatchObject({ index: 1 });
    expect((await run('board', 'list', ...at)).out).toMatch(/1 {2}[0-9a-f]{16} {2}announcement .*Maintenance/);
    expect((await run('board', 'show', '1', ...at)).out).toContain('Away on Sunday.');
    const receipt = join(place, 'receipt');
    expect((await run('board', 'receipt', '1', '--out', receipt, ...at)).code).toBe(0);
    expect((await run('board', 'keys', '--data', own, ...at)).code).toBe(0);
    rmSync(join(place, 'own-entries'));
    const alarm = await run('board', 'keys', '--data', own, ...at);
    expect([alarm.code, alarm.err]).toEqual([1, expect.stringContaining('*** ALARM')]);
    const head = join(place, 'head');
    writeFileSync(head, (await run('board', 'head', ...at)).out);
    expect(await run('board', 'compare', head, ...at)).toMatchObject({ code: 0, out: 'It is of the same log.' });
    child.kill('SIGTERM');
    await once(child, 'exit');
    expect(await run('board', 'verify', receipt, ...at)).toMatchObject({
      code: 0,
      out: expect.stringContaining('#1 of 2'),
    });
    appendFileSync(`${receipt}.entry`, 'x');
    expect((await run('board', 'verify', receipt, ...at)).code).toBe(1);
    writeFileSync(body, readFileSync(policy));
    expect((await run('board', 'verify-evidence', body, ...at)).code).toBe(1);
  });

  it('has a witness sign what the board shows', async () => {
    const [boardData, witnessData, place] = [aDirectory(), aDirectory(), aDirectory()];
    const board = await start('serve', '--port', '0', '--data', boardData);
    const { listening = '', key = '' } = board.first;
    const witness = await start('witness', '--board', `${key}=${listening}`, '--data', witnessData);
    expect(witness.first['key']).toMatch(/^pulsemesh\/witness\/12D3/);
    board.child.kill('SIGTERM');
    await once(board.child, 'exit');
    const port = new URL(listening).port;
    await start('serve', '--port', port, '--data', boardData, '--open', '--witness', witness.first['key'] ?? '');
    const policy = join(place, 'policy.json');
    await run('board', 'init', listening, key, '--witness', witness.first['key'] ?? '', '--policy', policy);
    await run('identity', 'create', '--data', place);
    const enrolled = await run('board', 'enrol', '--name', 'A', '--data', place, '--policy', policy);
    expect(enrolled).toMatchObject({ code: 0, out: expect.stringContaining('#0 ') });
    await run('board', 'receipt', '0', '--out', join(place, 'r'), '--policy', policy);
    const verified = await run('board', 'verify', join(place, 'r'), '--policy', policy);
    expect(verified.out).toContain('1 witnesses');
  });

  it('teaches', async () => {
    const { out } = await run('board', '--help');
    for (const command of [
      'serve',
      'init',
      'admit',
      'add',
      'enrol',
      'list',
      'show',
      'follow',
      'keys',
      'receipt',
      'verify',
      'witness',
    ])
      expect(out).toContain(`  ${command} `);
  });
});
