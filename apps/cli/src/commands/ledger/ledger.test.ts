import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runProgram } from '../../program.ts';
import { eventLines, giveDescription, ledgerLines, serveSettings, verdictLines } from './ledger.ts';

const flags = { host: '127.0.0.1', port: 0, chainId: 5, fund: [`0x${'ab'.repeat(20)}=1000`], data: '/srv/ledger' };

describe('the words of a ledger', () => {
  it('says what a ledger is worth before anything else, and that there may be none', () => {
    const view = { kind: 'embedded', chainId: 5, contract: null, head: '7', finalized: '7', headAgeMs: 1_400 } as const;
    const rest = {
      sealers: [],
      codeHash: null,
      state: 'up',
      words: 'One sealer.',
      symbol: 'units',
      decimals: 0,
    } as const;
    expect(ledgerLines({ ...view, ...rest })).toEqual(expect.arrayContaining(['One sealer.', 'state     up']));
    expect(ledgerLines(null)[0]).toMatch('no ledger');
    expect(eventLines([])).toEqual(['Nothing has happened on the ledger yet.']);
  });

  it('takes who begins with what, and nothing else for it', () => {
    expect(serveSettings(flags).chain).toMatchObject({ chainId: 5, genesis: [{ units: '1000' }] });
    expect(() => serveSettings({ ...flags, fund: ['0xAB=1'] })).toThrow('--fund');
  });
});

let place: string;
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'pulsemesh-cli-ledger-'));
});
afterEach(() => rmSync(place, { recursive: true, force: true }));

function listener() {
  const out: string[] = [];
  const err: string[] = [];
  return { out: (line: string) => void out.push(line), err: (line: string) => void err.push(line), said: { out, err } };
}

async function run(...args: string[]) {
  const output = listener();
  const code = await runProgram(['ledger', ...args, '--data', join(place, 'data')], output);
  return { code, err: output.said.err.join('\n') };
}

describe('what costs money', () => {
  const chain = ['--chain', 'http://127.0.0.1:1', '--chain-id', '5'];

  it('is not begun where its result could not be kept', async () => {
    const missing = await run('deploy', ...chain, '--out', join(place, 'no', 'such', 'file'));
    expect(missing).toMatchObject({ code: 2, err: expect.stringContaining('nothing was sent') });
    const file = join(place, 'ledger.json');
    writeFileSync(file, 'of another contract');
    expect(await run('deploy', ...chain, '--out', file)).toMatchObject({ code: 2 });
    expect(readFileSync(file, 'utf8')).toBe('of another contract');
    const symbol = await run('deploy', ...chain, '--symbol', 'much longer than it may be');
    expect(symbol).toMatchObject({ code: 1, err: expect.stringContaining('symbol') });
  });

  it('is told even when its file cannot be written any more', () => {
    const output = listener();
    expect(giveDescription('{"contract":"0x1"}', join(place, 'gone', 'ledger.json'), output)).toBe(false);
    expect(output.said.out).toEqual(['{"contract":"0x1"}']);
    expect(output.said.err[0]).toMatch('ENOENT');
    expect(giveDescription('{}', join(place, 'ledger.json'), output)).toBe(true);
    expect(readFileSync(join(place, 'ledger.json'), 'utf8')).toBe('{}\n');
  });

  it('goes to an account that is one, from one that is there', async () => {
    const to = `0x${'5a'.repeat(20)}`;
    expect(await run('fund', '0x12', '5', ...chain)).toMatchObject({ code: 2 });
    expect(await run('fund', to, '0', ...chain)).toMatchObject({ code: 2 });
    expect(
      await run('fund', to, '5', '--chain', 'http://127.0.0.1:1,http://127.0.0.1:2', '--chain-id', '5'),
    ).toMatchObject({ code: 2 });
    expect(await run('fund', to, '5', ...chain)).toMatchObject({
      code: 1,
      err: expect.stringContaining('no identity'),
    });
  });
});

describe('a verification', () => {
  it('says that there is nothing to verify, and what a block to be kept looks like', async () => {
    expect(await run('verify')).toMatchObject({ code: 2, err: expect.stringContaining('no chain lies') });
    expect(await run('verify', '--block', '5')).toMatchObject({ code: 2, err: expect.stringContaining('number:hash') });
  });

  it('asks a chain that somebody else runs, where it is one', async () => {
    expect(await run('verify', '--chain', 'nowhere')).toMatchObject({
      code: 2,
      err: expect.stringContaining('http://'),
    });
    expect(await run('verify', '--chain', 'http://127.0.0.1:1')).toMatchObject({
      code: 1,
      err: expect.stringContaining('127.0.0.1:1'),
    });
  });

  it('tells what to keep of a sound chain', () => {
    const headHash = `0x${'ab'.repeat(32)}` as const;
    const counts = {
      blocks: 8,
      transactions: 3,
      chainId: 5,
      sealer: 'cd',
      genesisHash: null,
      headHash,
      stateHash: null,
    };
    expect(verdictLines({ fault: null, ...counts })[1]).toContain(`--block 7:${headHash}`);
    expect(verdictLines({ fault: { kind: 'seal', block: 8 }, ...counts })).toEqual([
      expect.stringContaining('NOT SOUND (seal)'),
    ]);
  });
});
