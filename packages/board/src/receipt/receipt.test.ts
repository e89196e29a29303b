import { createSigner } from '@pulsemesh/crypto';
import { describe, expect, it } from 'vitest';
import { hashLeaf, hashNode } from '../merkle/hash.ts';
import { proofHashesMax } from '../merkle/verify.ts';
import { formatCheckpoint } from '../notes/checkpoint.ts';
import { cosignText, createNoteVerifier, signNoteText } from '../notes/keys.ts';
import { formatNote, type NoteSignature } from '../notes/note.ts';
import { assertPolicy, type BoardPolicy, witnessesMax } from './policy.ts';
import { formatReceipt, parseReceipt, receiptLimits, verifyReceipt } from './receipt.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const textOf = (receipt: Uint8Array) => new TextDecoder().decode(receipt);
const keyOf = (number: number) => createSigner(new Uint8Array(32).fill(number).with(0, 1));

const origin = 'board.example/1';
const boardKey = keyOf(1);
const witnessKeys = [2, 3, 4].map(keyOf);
const policy: BoardPolicy = {
  board: createNoteVerifier(origin, boardKey.publicKey, 'ed25519'),
  witnesses: witnessKeys.map(({ publicKey }, place) =>
    createNoteVerifier(`w${place}.example`, publicKey, 'cosignature/v1'),
  ),
  quorum: 2,
};
const leaves = [bytes('zero'), bytes('one')];
const hashes = leaves.map(hashLeaf);
const [left, right] = hashes as [Uint8Array, Uint8Array];
const text = formatCheckpoint({ origin, size: 2, root: hashNode(left, right), extensions: [] });
const boardSignature = signNoteText(text, origin, boardKey);
const cosignatureOf = (place: number) =>
  cosignText(text, `w${place}.example`, witnessKeys[place] as (typeof witnessKeys)[0], 1_700_000_000 + place);
const noteOf = (...signatures: NoteSignature[]) => formatNote({ text, signatures });
const note = noteOf(boardSignature, cosignatureOf(0), cosignatureOf(2));
const receipt = formatReceipt({ index: 1, proof: [left], checkpoint: note });
const one = leaves[1] as Uint8Array;

describe('a receipt', () => {
  it('verifies offline, and says who saw the entry, and when', () => {
    const verified = verifyReceipt(receipt, one, policy);
    expect(verified).toMatchObject({ index: 1, extra: null, checkpoint: { origin, size: 2 } });
    expect(verified.signatures.map(({ verifier, timeSeconds }) => [verifier.name, timeSeconds])).toEqual([
      [origin, null],
      ['w0.example', 1_700_000_000],
      ['w2.example', 1_700_000_002],
    ]);
  });

  it("has the specification's form", () => {
    expect(textOf(receipt).split('\n').slice(0, 5)).toEqual([
      'c2sp.org/tlog-proof@v1',
      'index 1',
      btoa(String.fromCharCode(...left)),
      '',
      origin,
    ]);
    const extra = bytes('{}');
    const withExtra = formatReceipt({ index: 1, proof: [left], checkpoint: note, extra });
    expect(textOf(withExtra).split('\n')[1]).toBe('extra e30=');
    expect(parseReceipt(withExtra)).toEqual({ index: 1, proof: [left], checkpoint: note, extra });
    expect(verifyReceipt(withExtra, one, policy).extra).toEqual(extra);
  });

  it('of another leaf, place or proof is refused', () => {
    const refused = (leaf: Uint8Array, parts: Partial<Parameters<typeof formatReceipt>[0]> = {}) =>
      expect(() => verifyReceipt(formatReceipt({ index: 1, proof: [left], checkpoint: note, ...parts }), leaf, policy));
    refused(bytes('two')).toThrow('not-included');
    refused(one, { index: 0 }).toThrow('not-included');
    refused(one, { index: 2 }).toThrow('not-included');
    refused(one, { proof: [] }).toThrow('not-included');
    refused(one, { proof: [right] }).toThrow('not-included');
    refused(one, { proof: [left, left] }).toThrow('not-included');
  });

  it('counts each witness once, and known witnesses only', () => {
    const refused = (checkpoint: Uint8Array, under = policy) =>
      expect(() => verifyReceipt(formatReceipt({ index: 1, proof: [left], checkpoint }), one, under));
    refused(noteOf(boardSignature)).toThrow('quorum');
    refused(noteOf(boardSignature, cosignatureOf(0), cosignatureOf(0))).toThrow('quorum');
    refused(noteOf(boardSignature, cosignatureOf(0), cosignText(text, 'w9.example', keyOf(9), 1))).toThrow('quorum');
    refused(noteOf(cosignatureOf(0), cosignatureOf(1))).toThrow('board-unsigned');
    refused(noteOf(signNoteText(text, origin, keyOf(9)))).toThrow('unsigned');
    const forged = { ...cosignatureOf(1), signature: cosignatureOf(1).signature.with(20, 0) };
    refused(noteOf(boardSignature, cosignatureOf(0), cosignatureOf(2), forged)).toThrow('signature-wrong');
  });

  it('of another board is refused though the key be the same', () => {
    const other = formatCheckpoint({ origin: 'board.example/2', size: 2, root: hashNode(left, right), extensions: [] });
    const checkpoint = formatNote({ text: other, signatures: [signNoteText(other, origin, boardKey)] });
    expect(() => verifyReceipt(formatReceipt({ index: 1, proof: [left], checkpoint }), one, policy)).toThrow(
      'other-board',
    );
  });

  const good = textOf(receipt);
  it.each([
    ['nothing', ''],
    ['another version', good.replace('@v1', '@v2')],
    ['no index', good.replace('index 1\n', '')],
    ['an index with a zero before it', good.replace('index 1', 'index 01')],
    ['an index that is none', good.replace('index 1', 'index -1')],
    ['extra data after the index', good.replace('index 1', 'index 1\nextra AAAA')],
    ['extra data that is none', good.replace('index 1', 'extra !\nindex 1')],
    ['too much extra data', good.replace('index 1', `extra ${'AAAA'.repeat(6000)}\nindex 1`)],
    ['a hash cut short', good.replace(/index 1\n..../, 'index 1\n')],
    ['too long a proof', good.replace('index 1\n', `index 1\n${`${'A'.repeat(43)}=\n`.repeat(proofHashesMax)}`)],
    ['no checkpoint', good.slice(0, good.indexOf('\n\n') + 1)],
    ['carriage returns', good.replaceAll('\n', '\r\n')],
    ['other characters', good.replace('index 1', 'index ١')],
    ['more bytes than a receipt has', good + 'x'.repeat(receiptLimits.bytesMax)],
  ])('is none with %s', (_what, other) => {
    expect(() => parseReceipt(bytes(other))).toThrow('not a receipt');
  });
});

describe('a policy', () => {
  it('that counts one key twice, or asks for more than there are, is a bug', () => {
    assertPolicy(policy);
    const [first, second] = policy.witnesses;
    const twice = createNoteVerifier('again.example', witnessKeys[0]?.publicKey as Uint8Array, 'cosignature/v1');
    const asWitness = createNoteVerifier('w', boardKey.publicKey, 'cosignature/v1');
    if (first === undefined || second === undefined) throw new Error('two witnesses');
    expect(() => assertPolicy({ ...policy, quorum: 4 })).toThrow('quorum');
    expect(() => assertPolicy({ ...policy, quorum: 0.5 })).toThrow('quorum');
    expect(() => assertPolicy({ ...policy, witnesses: [first, twice] })).toThrow('key of its own');
    expect(() => assertPolicy({ ...policy, witnesses: [first, asWitness] })).toThrow('key of its own');
    expect(() => assertPolicy({ ...policy, witnesses: [first, policy.board] })).toThrow('cosign');
    expect(() => assertPolicy({ ...policy, board: second })).toThrow('as notes');
    const many = Array.from({ length: witnessesMax + 1 }, (_, place) =>
      createNoteVerifier(`w${place}`, keyOf(40 + place).publicKey, 'cosignature/v1'),
    );
    expect(() => assertPolicy({ ...policy, witnesses: many })).toThrow('at most 32');
  });
});
