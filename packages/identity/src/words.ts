import type { Clock, Random } from '@pulsemesh/base';
import { Condition } from '@pulsemesh/base';
import { sha256 } from '@pulsemesh/crypto';
import type { PeerId } from '@pulsemesh/wire';
import { entropyToMnemonic } from '@scure/bip39';
import { wordlist } from '@scure/bip39/wordlists/english.js';
import { rotated } from './change-identity.ts';
import { type Identity, identityOfSeed, secretsOfSeed } from './identity.ts';
import { writeNewIdentity } from './load-or-create.ts';
import type { IdentityOptions } from './protection.ts';

/** How many words a backup has. */
export const backupWordCount = 24;

/** Letters that tell one word of the list from all others. */
const distinctLetters = 4;

/** Backup words that are none. `positions` (1 … 24) says where to look; never which word stands there. */
export class BackupWordsError extends Condition {
  override readonly name = 'BackupWordsError';
  readonly positions: readonly number[];
  constructor(code: BackupWordsFault, text: string, positions: readonly number[] = []) {
    super(code, text, { facts: { positions: positions.join(',') } });
    this.positions = positions;
  }
}

/** Why words are refused. */
export type BackupWordsFault =
  | 'words-count'
  | 'words-unknown'
  | 'words-checksum'
  | 'words-swapped'
  | 'words-wrong'
  | 'words-other-identity';

/**
 * The private key of an identity as 24 English words (BIP-39, the last one holds a checksum). Whoever reads them is this identity.
 * They bring back the key and its address; not the sealing keys of later epochs, nor what the node sealed on its disk after a succession.
 */
export function backupWords(identity: Identity): readonly string[] {
  return entropyToMnemonic(identity.libp2pPrivateKeyBytes.slice(0, 32), wordlist).split(' ');
}

/**
 * The identity that backup words name, kept nowhere. Capitals and spaces do not matter, four letters of a word are enough.
 *
 * The checksum is 8 bits: it notices 255 of 256 mistakes, and not where they are. With `expected` (the peer id, which stands on a card
 * or in an old file's head) every mistake is noticed, and two swapped words or one wrong word are found.
 * @throws {BackupWordsError} naming the positions where they are known.
 */
export function identityOfWords(text: string, expected: PeerId | null = null): Identity {
  return identityOfSeed(seedOfWords(text, expected));
}

/**
 * Writes the identity that backup words name to `options.file`, with a new sealing key in use beside the first one.
 * @throws {BackupWordsError} · {@link IdentityExistsError}; as `loadOrCreateIdentity`.
 */
export async function restoreIdentity(
  text: string,
  options: IdentityOptions & { readonly expected?: PeerId },
  dependencies: { readonly clock: Clock; readonly random: Random },
): Promise<Identity> {
  const seed = seedOfWords(text, options.expected ?? null);
  // The numbers of the keys that were given out are not known any more: the new one is greater than any of them.
  return writeNewIdentity(options, rotated(secretsOfSeed(seed), dependencies, false), dependencies);
}

function seedOfWords(text: string, expected: PeerId | null): Uint8Array {
  const indices = indicesOf(text);
  const seed = seedOf(indices);
  if (seed !== null && (expected === null || identityOfSeed(seed).peerId === expected)) return seed;
  if (expected !== null) throw locate(indices, expected, seed !== null);
  throw new BackupWordsError(
    'words-checksum',
    'all 24 words exist, but they do not belong together: one is wrong, or two are swapped. ' +
      'With the peer id they are to give, it can be told where',
  );
}

function indicesOf(text: string): readonly number[] {
  const words = text.normalize('NFKD').toLowerCase().trim().split(/\s+/u).slice(0, 1_000);
  if (words.length !== backupWordCount || words[0] === '') {
    const count = words[0] === '' ? 0 : words.length;
    throw new BackupWordsError('words-count', `a backup has ${backupWordCount} words, these are ${count}`);
  }
  const indices = words.map(indexOf);
  const unknown = indices.flatMap((index, at) => (index < 0 ? [at + 1] : []));
  if (unknown.length > 0) {
    const which = unknown.length === 1 ? `word ${unknown[0]} is` : `words ${unknown.join(', ')} are`;
    throw new BackupWordsError('words-unknown', `${which} not in the list of backup words`, unknown);
  }
  return indices;
}

function indexOf(word: string): number {
  const exact = wordlist.indexOf(word);
  if (exact >= 0 || word.length < distinctLetters) return exact;
  return wordlist.findIndex((entry) => entry.startsWith(word));
}

/**
 * Null where the checksum does not fit. 24 times 11 bits are the 32 bytes and the first byte of their SHA-256 (BIP-39); done here because
 * {@link locate} asks fifty thousand times, which through the library takes seconds.
 */
function seedOf(indices: readonly number[]): Uint8Array | null {
  const bytes = new Uint8Array(33);
  indices.forEach((index, at) => {
    for (let bit = 0; bit < 11; bit += 1) {
      const place = at * 11 + bit;
      if ((index >> (10 - bit)) & 1) bytes[place >> 3] = (bytes[place >> 3] as number) | (0x80 >> (place & 7));
    }
  });
  const seed = bytes.slice(0, 32);
  return sha256(seed)[0] === bytes[32] ? seed : null;
}

/** Looks for the one swap, then the one wrong word, that give the expected identity: at most 276 + 24 · 2,047 trials, 1 in 256 of them costly. */
function locate(indices: readonly number[], expected: PeerId, fitsChecksum: boolean): BackupWordsError {
  const isIt = (trial: readonly number[]) => {
    const seed = seedOf(trial);
    return seed !== null && identityOfSeed(seed).peerId === expected;
  };
  for (let one = 0; one < indices.length; one += 1) {
    for (let other = one + 1; other < indices.length; other += 1) {
      const trial = indices.with(one, indices[other] as number).with(other, indices[one] as number);
      if (indices[one] !== indices[other] && isIt(trial))
        return new BackupWordsError('words-swapped', `words ${one + 1} and ${other + 1} are swapped`, [
          one + 1,
          other + 1,
        ]);
    }
  }
  for (let at = 0; at < indices.length; at += 1) {
    for (let index = 0; index < wordlist.length; index += 1) {
      if (isIt(indices.with(at, index)))
        return new BackupWordsError('words-wrong', `word ${at + 1} is wrong`, [at + 1]);
    }
  }
  return fitsChecksum
    ? new BackupWordsError('words-other-identity', 'these words are those of another identity')
    : new BackupWordsError('words-checksum', 'more than one word is wrong, or more than two are swapped');
}
