import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSystemRandom, silentLogger } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type CardFacts, cardLimits, createCard } from './card.ts';
import { openCardDirectory } from './card-directory.ts';
import { CardMemory, cardMemoryLimits } from './card-memory.ts';
import { cardFromText, cardToText } from './card-text.ts';
import { type Identity, identityOfSeed } from './identity.ts';
import { signSuccession } from './succession.ts';

const alice = identityOfSeed(new Uint8Array(32).fill(1));
const mallory = identityOfSeed(new Uint8Array(32).fill(2));
const facts: CardFacts = { name: 'Alice', organisation: 'Clinic of the Hill' };
let clock: VirtualClock;
let folder: string;

beforeEach(async () => {
  clock = new VirtualClock(1_700_000_000_000);
  folder = await mkdtemp(join(tmpdir(), 'pulsemesh-cards-'));
});
afterEach(() => rm(folder, { recursive: true }));

const open = () => openCardDirectory(folder, { clock, random: createSystemRandom(), logger: silentLogger });
const card = (identity: Identity, more: CardFacts = {}) => createCard(identity, { ...facts, ...more }, { clock });

/** `next` in the place of `former`, as `succeedIdentity` makes it. */
function succeeding(former: Identity, next: Identity): Identity {
  const statement = signSuccession(former, next, { clock });
  return {
    peerId: next.peerId,
    publicKey: next.publicKey,
    sign: (bytes: Uint8Array) => next.sign(bytes),
    sealing: next.sealing,
    successions: [statement],
  } as unknown as Identity; // what cards are made of
}

describe('a card directory', () => {
  it('keeps the newest card of each peer, also over a restart', async () => {
    const directory = await open();
    const first = card(alice);
    expect(await directory.add(first)).toBe('new');
    expect(await directory.add(first)).toBe('same');
    const second = card(alice, { previous: first });
    expect(await directory.add(second)).toBe('newer');
    const again = await open();
    expect(again.find(alice.peerId)).toEqual(second);
    expect(again.findByName('alice', 'CLINIC of  the hill')).toEqual(second);
    expect(again.list()).toEqual([second]);
    expect(again.problems).toEqual([]);
  });

  it('takes what an operator puts into the folder, at the next reload', async () => {
    const directory = await open();
    await writeFile(join(folder, 'ward seven.card'), cardToText(card(alice)));
    await writeFile(join(folder, 'broken.card'), 'pulsemesh:card:AAAA');
    await writeFile(join(folder, 'huge.card'), 'x'.repeat(10_000));
    await writeFile(join(folder, 'notes.txt'), 'not a card');
    expect(await directory.reload()).toEqual([
      { file: 'broken.card', code: 'statement-checksum' },
      { file: 'huge.card', code: 'identity-damaged' },
    ]);
    expect(directory.find(alice.peerId)?.name).toBe('Alice');
  });

  it('refuses an older card, also when the whole folder but its memory was put back', async () => {
    const directory = await open();
    const first = card(alice);
    const second = card(alice, { previous: first });
    await directory.add(second);
    await expect(directory.add(first)).rejects.toMatchObject({ code: 'statement-older' });
    await writeFile(join(folder, `${alice.peerId}.card`), cardToText(first));
    expect(await directory.reload()).toEqual([{ file: `${alice.peerId}.card`, code: 'statement-older' }]);
    expect(directory.find(alice.peerId)).toBeNull();
  });

  it('refuses two cards of one version, keeps the first, and keeps both as evidence', async () => {
    const directory = await open();
    const first = card(alice);
    const other = card(alice, { organisation: 'Clinic of the Valley' });
    expect(other.version).toBe(first.version);
    await directory.add(first);
    await expect(directory.add(other)).rejects.toMatchObject({ code: 'statement-conflict' });
    expect(directory.find(alice.peerId)).toEqual(first);
    expect(directory.reports).toMatchObject([{ kind: 'equivocation', peerId: alice.peerId, version: first.version }]);
    const evidence = (await readdir(folder)).find((name) => name.endsWith('.evidence')) ?? '';
    const lines = (await readFile(join(folder, evidence), 'utf8')).trim().split('\n');
    expect(lines.map((line) => cardFromText(line))).toEqual([first, other]);
  });

  it('finds equivocation among the files of the folder too', async () => {
    await writeFile(join(folder, 'a.card'), cardToText(card(alice)));
    await writeFile(join(folder, 'b.card'), cardToText(card(alice, { organisation: 'Clinic of the Valley' })));
    const directory = await open();
    expect(directory.problems).toEqual([{ file: 'b.card', code: 'statement-conflict' }]);
    expect(directory.reports.map((report) => report.kind)).toEqual(['equivocation']);
  });

  it('refuses a known name with another key, whether added or put into the folder, and reports it', async () => {
    const directory = await open();
    await directory.add(card(alice));
    const swapped = card(mallory, { name: 'ALICE' });
    await expect(directory.add(swapped)).rejects.toMatchObject({ code: 'card-key-changed' });
    expect(directory.reports).toMatchObject([{ kind: 'changed-key', pinned: alice.peerId, offered: swapped }]);
    await writeFile(join(folder, `${alice.peerId}.card`), cardToText(swapped));
    const again = await open();
    expect(again.problems).toEqual([{ file: `${alice.peerId}.card`, code: 'card-key-changed' }]);
    expect(again.findByName('Alice', 'Clinic of the Hill')).toBeNull();
    expect(again.find(mallory.peerId)).toBeNull();
  });

  it('takes a second Alice under a name that its owner gives it', async () => {
    const directory = await open();
    await directory.add(card(alice));
    await directory.add(card(mallory), { as: 'Alice from the valley' });
    expect(directory.findByName('alice from the valley')?.peerId).toBe(mallory.peerId);
    expect(directory.findByName('Alice', 'Clinic of the Hill')?.peerId).toBe(alice.peerId);
    const again = await open();
    expect(again.problems).toEqual([]);
    expect(again.findByName('Alice from the valley')?.peerId).toBe(mallory.peerId);
  });

  it('refuses cards that expired or come from the future, and offers none that expires later', async () => {
    const directory = await open();
    const short = card(alice, { lifetimeMs: 60_000 });
    await directory.add(short);
    await clock.advance(60_000);
    expect(directory.find(alice.peerId)).toBeNull();
    expect(directory.list()).toEqual([short]);
    await expect(directory.add(short)).rejects.toMatchObject({ code: 'statement-expired' });
    const ahead = createCard(mallory, facts, { clock: new VirtualClock(clock.now() + cardLimits.skewMs + 1_000) });
    await expect(directory.add(ahead)).rejects.toMatchObject({ code: 'statement-future' });
  });

  it('goes on where its memory is damaged only when told so', async () => {
    await (await open()).add(card(alice));
    await writeFile(join(folder, 'directory.state'), 'x');
    await expect(open()).rejects.toMatchObject({ code: 'card-directory-damaged' });
  });
});

describe('a successor', () => {
  const next = identityOfSeed(new Uint8Array(32).fill(7));
  const later = identityOfSeed(new Uint8Array(32).fill(8));

  it('is followed by whoever holds the old card, under the old name', async () => {
    const directory = await open();
    const old = card(alice);
    await directory.add(old);
    await directory.add(card(succeeding(alice, next)));
    expect(directory.find(alice.peerId)?.peerId).toBe(next.peerId);
    expect(directory.findByName('Alice', 'Clinic of the Hill')?.peerId).toBe(next.peerId);
    await directory.add(card(succeeding(next, later)));
    const again = await open();
    expect(again.problems).toEqual([]);
    expect(again.find(alice.peerId)?.peerId).toBe(later.peerId);
    expect(again.list().map((one) => one.peerId)).toEqual([later.peerId]);
    await clock.advance(1_000);
    const revived = card(alice);
    await expect(again.add(revived)).rejects.toMatchObject({ code: 'card-succeeded' });
  });

  it('that the old key did not name is not followed', async () => {
    const directory = await open();
    await directory.add(card(alice));
    const forged = succeeding(mallory, next);
    await expect(directory.add(card(forged))).rejects.toMatchObject({ code: 'card-key-changed' });
    expect(directory.find(alice.peerId)?.peerId).toBe(alice.peerId);
  });

  it('is refused when another one was named before, and reported', async () => {
    const directory = await open();
    await directory.add(card(alice));
    await directory.add(card(succeeding(alice, next)));
    await expect(directory.add(card(succeeding(alice, later)))).rejects.toMatchObject({
      code: 'card-succession-conflict',
    });
    expect(directory.reports).toMatchObject([{ kind: 'competing-succession', pinned: next.peerId }]);
    expect(directory.find(alice.peerId)?.peerId).toBe(next.peerId);
  });
});

describe('the memory of cards', () => {
  const ignore = () => {};

  it('reads back what it wrote, and refuses anything else', () => {
    const memory = new CardMemory();
    memory.take(card(alice), null, ignore);
    memory.take(card(mallory, { name: 'M' }), null, ignore);
    const bytes = memory.encode();
    expect(CardMemory.decode(bytes).encode()).toEqual(bytes);
    for (let length = 0; length < bytes.length; length += 1) {
      expect(() => CardMemory.decode(bytes.subarray(0, length))).toThrow(/damaged/);
    }
  });

  it('forgets the oldest name of a peer that has too many', () => {
    const memory = new CardMemory();
    const names = Array.from({ length: cardMemoryLimits.namesPerPeerMax + 1 }, (_, index) => `name ${index}`);
    for (const name of names) memory.take(card(alice), name, ignore);
    expect(memory.peerNamed('name 0', null)).toBeNull();
    expect(memory.peerNamed('name 1', null)).toBe(alice.peerId);
  });

  it('takes no new peer when it is full, and goes on with those it knows', () => {
    const memory = new CardMemory({ peersMax: 1 });
    memory.take(card(alice), null, ignore);
    expect(() => memory.take(card(mallory, { name: 'M' }), null, ignore)).toThrow(/full/);
    expect(memory.take(card(alice), null, ignore)).toBe('same');
  });
});
