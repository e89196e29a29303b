import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSystemRandom } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { mnemonicToEntropy, validateMnemonic } from '@scure/bip39';
import { wordlist } from '@scure/bip39/wordlists/english.js';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { IdentityExistsError } from './errors.ts';
import { identityOfSeed } from './identity.ts';
import { loadIdentity } from './load-or-create.ts';
import { BackupWordsError, backupWords, identityOfWords, restoreIdentity } from './words.ts';

const identity = identityOfSeed(Uint8Array.from({ length: 32 }, (_, index) => (index * 7 + 3) % 256));
const words = backupWords(identity);

function refusal(text: string, expected = null as null | typeof identity.peerId): BackupWordsError {
  try {
    identityOfWords(text, expected);
  } catch (error) {
    if (error instanceof BackupWordsError) return error;
    throw error;
  }
  throw new Error('the words were taken');
}

describe('backup words', () => {
  it('bring back every identity, and are BIP-39 as others read it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (seed) => {
        const made = identityOfSeed(seed);
        const text = backupWords(made).join(' ');
        expect(identityOfWords(text).peerId).toBe(made.peerId);
        expect(validateMnemonic(text, wordlist)).toBe(true);
        expect(mnemonicToEntropy(text, wordlist)).toEqual(seed);
      }),
      { numRuns: 30 },
    );
  });

  it('give the vector of the standard', () => {
    // trezor/python-mnemonic vectors.json: 32 bytes of 7f.
    const expected = `${'legal winner thank year wave sausage worth useful '.repeat(2)}legal winner thank year wave sausage worth title`;
    expect(backupWords(identityOfSeed(new Uint8Array(32).fill(0x7f))).join(' ')).toBe(expected);
  });

  it('are taken in capitals, with line breaks, and by their first four letters', () => {
    const typed = words.map((word, at) => (at % 2 === 0 ? word.toUpperCase() : word.slice(0, 4))).join(' \n ');
    expect(identityOfWords(typed).peerId).toBe(identity.peerId);
  });

  it('are refused when there are too few or too many, with their number', () => {
    expect(refusal(words.slice(1).join(' '))).toMatchObject({
      code: 'words-count',
      message: expect.stringMatching(/are 23/),
    });
    expect(refusal([...words, 'zoo'].join(' ')).message).toMatch(/are 25/);
    expect(refusal('  ').message).toMatch(/are 0/);
    expect(refusal('a '.repeat(100_000)).code).toBe('words-count');
  });

  it('are refused when one is not in the list, naming its position and not the word', () => {
    const error = refusal(words.with(6, 'clinician').with(20, 'abc').join(' '));
    expect(error).toMatchObject({ code: 'words-unknown', positions: [7, 21] });
    expect(error.message).toBe('words 7, 21 are not in the list of backup words');
  });

  it('are refused in another order, naming the two positions where the identity is known', () => {
    const swapped = words.with(2, words[8] as string).with(8, words[2] as string);
    expect(refusal(swapped.join(' '), identity.peerId)).toMatchObject({ code: 'words-swapped', positions: [3, 9] });
    expect(refusal(swapped.join(' ')).code).toBe('words-checksum');
  });

  it('are refused with one wrong word, naming its position where the identity is known', () => {
    for (const at of [0, 11, 23]) {
      const other = wordlist[(wordlist.indexOf(words[at] as string) + 1) % 2048] as string;
      const error = refusal(words.with(at, other).join(' '), identity.peerId);
      expect(error).toMatchObject({ code: 'words-wrong', positions: [at + 1] });
      expect(error.message).not.toContain(words[at]);
    }
  });

  it('of another identity are told from mistyped ones', () => {
    const others = backupWords(identityOfSeed(new Uint8Array(32).fill(9)));
    expect(refusal(others.join(' '), identity.peerId).code).toBe('words-other-identity');
    expect(refusal(words.toReversed().join(' '), identity.peerId).code).toMatch(/^words-(checksum|other-identity)$/);
  });
});

describe('restoring', () => {
  const dependencies = { clock: new VirtualClock(1_700_000_000_000), random: createSystemRandom() };
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'pulsemesh-words-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  it('writes the identity with a newer sealing key, and opens what was sealed to the first one', async () => {
    const options = { file: join(directory, 'identity'), keyFile: join(directory, 'key') };
    const restored = await restoreIdentity(words.join(' '), { ...options, expected: identity.peerId }, dependencies);
    const found = await loadIdentity(options, dependencies);
    expect(found.peerId).toBe(identity.peerId);
    expect(found.sealingKeys.map((key) => key.publicKey)).toEqual(restored.sealingKeys.map((key) => key.publicKey));
    expect(found.sealing.epoch).toBe(1_700_000_000);
    expect(found.sealingKeys[1]?.publicKey).toEqual(identity.sealing.publicKey);
    expect(found.nodeBoxKey).toEqual(identity.nodeBoxKey);
  });

  it('leaves an identity that is there as it is', async () => {
    const options = { file: join(directory, 'identity'), keyFile: join(directory, 'key') };
    await restoreIdentity(words.join(' '), options, dependencies);
    const others = backupWords(identityOfSeed(new Uint8Array(32).fill(9))).join(' ');
    await expect(restoreIdentity(others, options, dependencies)).rejects.toThrow(IdentityExistsError);
    expect((await loadIdentity(options, dependencies)).peerId).toBe(identity.peerId);
  });
});
