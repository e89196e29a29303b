import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cardFromText } from '@pulsemesh/identity';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runProgram } from '../../program.ts';
import type { Terminal } from '../../terminal.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pulsemesh-cli-identity-'));
});
afterEach(() => rm(directory, { recursive: true }));

const at = (name: string) => ['--data', join(directory, name)];
const relayPeer = '12D3KooWQK1wnefoLrcVHbbnf5tLzbopUd3K3bFAoJpA7YJgL5pV';

/** Runs `pulsemesh identity …`; what the person at the terminal answers, or what standard input holds. */
async function run(args: readonly string[], person: { readonly answer?: string; readonly input?: string } = {}) {
  const out: string[] = [];
  const err: string[] = [];
  const shown: string[] = [];
  const terminal: Terminal = {
    isInteractive: person.answer !== undefined,
    ask: async () => person.answer ?? '',
    show: (line) => void shown.push(line),
    readInput: async () => person.input ?? '',
  };
  const output = { out: (line: string) => out.push(line), err: (line: string) => err.push(line) };
  const code = await runProgram(['identity', ...args], output, terminal);
  return { code, out: out.join('\n'), err: err.join('\n'), shown: shown.join('\n') };
}

async function make(name: string): Promise<string> {
  const { out, code } = await run(['create', ...at(name), '--json']);
  expect(code).toBe(0);
  return JSON.parse(out).peerId;
}

describe('pulsemesh identity', () => {
  it('teaches by example', async () => {
    const { code, out } = await run(['--help']);
    expect(code).toBe(0);
    for (const command of ['create', 'show', 'protect', 'words', 'restore', 'rotate', 'card', 'contacts', 'devices']) {
      expect(out).toMatch(new RegExp(`^ {2}${command}\\b`, 'm'));
    }
    expect(out).toContain('$ pulsemesh identity words');
  });

  it('makes an identity once and shows it', async () => {
    const peerId = await make('a');
    expect(await make('a')).toBe(peerId);
    const { out } = await run(['show', ...at('a')]);
    expect(out).toContain(`peer id      ${peerId}`);
    expect(out).toMatch(/card +none yet/);
    expect((await stat(join(directory, 'a', 'identity.key'))).mode & 0o777).toBe(0o600);
  });

  it('says what to do where there is none, and shows none of two protections', async () => {
    const missing = await run(['show', ...at('a')]);
    expect(missing.code).toBe(1);
    expect(missing.err).toMatch(/there is no identity at .*\nMake one with `pulsemesh identity create`/);
    const both = await run(['show', ...at('a'), '--key-file', 'x', '--keystore']);
    expect(both).toMatchObject({ code: 2, err: expect.stringContaining('exclude each other') });
  });
});

describe('pulsemesh identity words and restore', () => {
  it('shows the backup on the terminal after a yes, and brings the identity back elsewhere', async () => {
    const peerId = await make('a');
    const { code, out, shown } = await run(['words', ...at('a')], { answer: 'show' });
    expect([code, out]).toEqual([0, '']);
    const numbered = [...shown.matchAll(/(\d+)\. ([a-z]+)/g)].sort((one, other) => Number(one[1]) - Number(other[1]));
    const words = numbered.map((match) => match[2] ?? '');
    expect(words).toHaveLength(24);
    const restored = await run(['restore', ...at('b'), '--peer', peerId, '--json'], { input: words.join(' ') });
    expect(JSON.parse(restored.out)).toMatchObject({ peerId, retired: [{ epoch: 1 }] });
    const swapped = words.with(0, words[5] ?? '').with(5, words[0] ?? '');
    const wrong = await run(['restore', ...at('c'), '--peer', peerId], { input: swapped.join(' ') });
    expect(wrong).toMatchObject({ code: 1, err: 'pulsemesh: words 1 and 6 are swapped.' });
    const there = await run(['restore', ...at('b')], { answer: words.join(' ') });
    expect(there).toMatchObject({ code: 1, err: expect.stringContaining('already') });
    expect(await readdir(directory)).not.toContain('c');
  });

  it('shows nothing to a file or a pipe, as JSON, or without a yes', async () => {
    await make('a');
    for (const attempt of [
      await run(['words', ...at('a')]),
      await run(['words', ...at('a'), '--json'], { answer: 'show' }),
      await run(['words', ...at('a')], { answer: 'no' }),
    ]) {
      expect(attempt).toMatchObject({ code: 2, out: '', shown: '' });
    }
  });
});

describe('pulsemesh identity card and contacts', () => {
  const facts = ['--name', 'Toni Berg', '--organisation', 'Clinic of the Hill'];

  it('gives a card as text, file and QR code, and keeps what was said before', async () => {
    const peerId = await make('a');
    const relay = ['--relay', `https://relay.example.org=${relayPeer}`];
    const first = cardFromText((await run(['card', ...at('a'), ...facts, ...relay])).out);
    expect(first).toMatchObject({ peerId, name: 'Toni Berg', relays: [{ peerId: relayPeer }] });
    expect(cardFromText((await run(['card', ...at('a')])).out)).toEqual(first);
    expect((await run(['card', ...at('a'), '--qr'])).out).toContain('▀');
    const files = { file: join(directory, 'toni.card'), svg: join(directory, 'toni.svg') };
    await run(['card', ...at('a'), '--file', files.file, '--svg', files.svg, '--name', 'T. Berg']);
    const second = cardFromText(await readFile(files.file, 'utf8'));
    expect(second).toMatchObject({ name: 'T. Berg', relays: first.relays });
    // One more, or the time in seconds where that is more.
    expect(second.version).toBeGreaterThan(first.version);
    expect(await readFile(files.svg, 'utf8')).toMatch(/^<svg/);
  });

  it.each([
    ['a name that turns the text', ['--name', 'a\u202eb']],
    ['a relay without its peer id', ['--relay', 'https://relay.example.org']],
    ['no days', ['--days', '0']],
  ])('refuses %s as a mistake of the call', async (_what, args) => {
    await make('a');
    expect(await run(['card', ...at('a'), ...args])).toMatchObject({ code: 2, out: '' });
  });

  it('takes the cards of others, and refuses a known name with another key', async () => {
    const [peerId, other] = [await make('a'), await make('b')];
    await make('mine');
    const cards = await Promise.all(['a', 'b'].map(async (name) => (await run(['card', ...at(name), ...facts])).out));
    const file = join(directory, 'toni.card');
    await writeFile(file, cards[0] ?? '');
    const add = ['contacts', 'add', ...at('mine')];
    expect((await run([...add, file])).out).toBe(`a new contact: ${peerId}`);
    expect((await run([...add, file])).out).toBe(`known already: ${peerId}`);
    const swapped = await run([...add, '-'], { input: cards[1] ?? '' });
    expect(swapped.code).toBe(1);
    expect(swapped.err).toMatch(/known with another key.*\nAsk the person, by another way/);
    expect((await run([...add, '-', '--as', 'other Toni'], { input: cards[1] ?? '' })).code).toBe(0);
    const listed = await run(['contacts', 'list', ...at('mine'), '--json']);
    expect(
      JSON.parse(listed.out)
        .map((card: { peerId: string }) => card.peerId)
        .sort(),
    ).toEqual([peerId, other].sort());
  });
});

describe('pulsemesh identity contacts check', () => {
  it('shows both people the same number', async () => {
    const [one, other] = [await make('a'), await make('b')];
    const seen = await run(['contacts', 'check', other, ...at('a')]);
    expect(seen.out).toMatch(/^(\d{5} ?){12}$/);
    expect((await run(['contacts', 'check', one, ...at('b')])).out).toBe(seen.out);
    expect((await run(['contacts', 'check', 'nobody', ...at('a')])).code).toBe(2);
  });
});

describe('pulsemesh identity rotate', () => {
  it('takes a new sealing key into use and makes the card anew', async () => {
    const peerId = await make('a');
    const before = cardFromText((await run(['card', ...at('a'), '--name', 'Toni'])).out);
    const rotated = JSON.parse((await run(['rotate', ...at('a'), '--json'])).out);
    expect(rotated).toMatchObject({ peerId, retired: [{ epoch: 1 }], card: { version: before.version + 1 } });
    const after = cardFromText((await run(['card', ...at('a')])).out);
    expect(after).toMatchObject({ name: 'Toni', sealingEpoch: rotated.sealing.epoch });
  });

  it('with --identity makes a successor that those who hold the old card follow', async () => {
    const peerId = await make('a');
    await make('mine');
    const old = (await run(['card', ...at('a'), '--name', 'Toni'])).out;
    await run(['contacts', 'add', ...at('mine'), '-'], { input: old });
    const { out } = await run(['rotate', '--identity', '--forget', ...at('a'), '--json']);
    const rotated = JSON.parse(out);
    expect(rotated).toMatchObject({ formerly: [peerId], retired: [] });
    const renewed = (await run(['card', ...at('a')])).out;
    expect((await run(['contacts', 'add', ...at('mine'), '-'], { input: renewed })).code).toBe(0);
    const listed = JSON.parse((await run(['contacts', 'list', ...at('mine'), '--json'])).out);
    expect(listed).toMatchObject([{ peerId: rotated.peerId, name: 'Toni' }]);
  });
});

describe('pulsemesh identity devices', () => {
  it('adds a device that asked, and removes it for ever', async () => {
    const [person, tablet] = [await make('me'), await make('tablet')];
    const before = cardFromText((await run(['card', ...at('me')])).out);
    const file = join(directory, 'tablet.request');
    await run(['devices', 'request', ...at('tablet'), '--person', person, '--name', 'tablet', '--file', file]);
    const added = JSON.parse((await run(['devices', 'add', file, ...at('me'), '--json'])).out);
    expect(added).toMatchObject({ version: 1, devices: [{ peerId: tablet, name: 'tablet' }], removed: [] });
    expect(cardFromText((await run(['card', ...at('me')])).out)).toMatchObject({
      version: before.version + 1,
      deviceListHash: expect.any(Uint8Array),
    });
    expect((await run(['devices', 'list', ...at('me')])).out).toMatch(new RegExp(`tablet .*${tablet}`));
    const removed = JSON.parse((await run(['devices', 'remove', tablet, ...at('me'), '--json'])).out);
    expect(removed).toMatchObject({ version: 2, devices: [], removed: [{ peerId: tablet }] });
    const again = await run(['devices', 'add', file, ...at('me')]);
    expect(again).toMatchObject({ code: 1, err: expect.stringContaining('only with a new key') });
    expect((await run(['devices', 'remove', 'x', ...at('me')])).code).toBe(2);
  });
});

describe('pulsemesh identity protect', () => {
  it('puts the identity under a passphrase, after which the key file opens nothing', async () => {
    const peerId = await make('a');
    const passphrase = join(directory, 'passphrase');
    await writeFile(passphrase, 'a fixture\n');
    const { out } = await run(['protect', 'passphrase', '--to-file', passphrase, ...at('a'), '--json']);
    expect(JSON.parse(out).peerId).toBe(peerId);
    expect((await run(['show', ...at('a'), '--passphrase-file', passphrase])).code).toBe(0);
    const old = await run(['show', ...at('a')]);
    expect(old).toMatchObject({ code: 1, err: expect.stringContaining('--passphrase-file') });
    expect((await run(['protect', 'lock', ...at('a')])).code).toBe(2);
    expect((await run(['protect', 'passphrase', ...at('a')])).code).toBe(2);
  });
});
