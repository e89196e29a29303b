import { createSigner } from '@pulsemesh/crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromBase64, toBase64 } from './base64.ts';
import { checkpointExtensionsMax, formatCheckpoint, openCheckpoint, parseCheckpoint } from './checkpoint.ts';
import {
  cosignText,
  createNoteVerifier,
  formatVerifierKey,
  parseVerifierKey,
  signNoteText,
  verifyNoteSignature,
} from './keys.ts';
import { formatNote, formatSignatureLine, noteLimits, parseNote, parseSignatureLine } from './note.ts';
import { openNote } from './open.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const textOf = (note: Uint8Array) => new TextDecoder().decode(note);

// golang.org/x/mod/sumdb/note, note_test.go: keys, text and signatures of TestSign and TestOpen.
const peterKey = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW';
const enochKey = 'EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop';
const peterSecret = 'PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz';
const goText = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const peterLine =
  '— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n';
const enochLine =
  '— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n';
const [peter, enoch] = [parseVerifierKey(peterKey), parseVerifierKey(enochKey)];

describe("notes as Go's package makes and opens them", () => {
  it('are signed to the same bytes', () => {
    const seed = fromBase64(peterSecret.split('+').slice(4).join('+'))?.subarray(1) ?? new Uint8Array(0);
    const signature = signNoteText(goText, 'PeterNeumann', createSigner(seed));
    expect(textOf(formatNote({ text: goText, signatures: [signature] }))).toBe(`${goText}\n${peterLine}`);
    expect(formatVerifierKey(createNoteVerifier('PeterNeumann', createSigner(seed).publicKey, 'ed25519'))).toBe(
      peterKey,
    );
  });

  it('open for whoever knows one key or both', () => {
    const note = bytes(`${goText}\n${peterLine}${enochLine}`);
    const one = openNote(note, [peter]);
    expect(one.text).toBe(goText);
    expect(one.signatures).toEqual([{ verifier: peter, timeSeconds: null }]);
    expect(openNote(note, [enoch, peter]).signatures.map(({ verifier }) => verifier.name)).toEqual([
      'PeterNeumann',
      'EnochRoot',
    ]);
    expect(() => openNote(note, [])).toThrow('unsigned');
  });

  it('count a key once, and leave what is unknown unread', () => {
    const broken = `${enochLine.slice(0, 60)}ABCD${enochLine.slice(60)}`;
    const note = bytes(`${goText}\n${peterLine}${peterLine}${enochLine}${broken}`);
    expect(openNote(note, [peter]).signatures).toHaveLength(1);
  });

  it('are refused whole where a known key signed wrongly', () => {
    const broken = `${peterLine.slice(0, 60)}ABCD${peterLine.slice(60)}`;
    expect(() => openNote(bytes(`${goText}\n${broken}`), [peter])).toThrow('signature-wrong');
    expect(() => openNote(bytes(`${goText}\n${enochLine}${broken}`), [peter, enoch])).toThrow('signature-wrong');
    expect(() => openNote(bytes(`${goText}more\n\n${peterLine}`), [peter])).toThrow('signature-wrong');
  });

  it.each([
    ['no signatures', goText],
    ['an empty line alone', `${goText}\n`],
    ['a last line without its end', `${goText}\n${peterLine.slice(0, -1)}`],
    ['a control character', `\x01${goText}\n${peterLine}`],
    ['a carriage return', `${goText}\r\n\n${peterLine}`],
    ['a name with a space', `${goText}\n${peterLine.replace('PeterN', 'Peter N')}`],
    ['a name with a space of another alphabet', `${goText}\n${peterLine.replace('PeterN', 'Peter\u3000N')}`],
    ['a name with a plus', `${goText}\n${peterLine.replace('PeterN', 'Peter+N')}`],
    ['a line that is none', `${goText}\n${peterLine}Unexpected line.\n`],
    ['too short a signature', `${goText}\n— PeterNeumann x08goA==\n`.replace('x08goA==', 'x08gow==')],
    ['base64 in another spelling', `${goText}\n${peterLine.replace('AM=', 'AN=')}`],
    ['too many signatures', `${goText}\n${peterLine.repeat(noteLimits.signaturesMax + 1)}`],
    ['too long a name', `${goText}\n${peterLine.replace('PeterNeumann', 'P'.repeat(257))}`],
    ['more bytes than a note has', `${'x'.repeat(noteLimits.bytesMax)}\n\n${peterLine}`],
  ])('are none with %s', (_what, note) => {
    expect(() => openNote(bytes(note), [peter])).toThrow('not a note');
  });

  it('are none where they are not UTF-8', () => {
    const note = bytes(`x${goText}\n${peterLine}`);
    note[0] = 0xff;
    expect(() => parseNote(note)).toThrow('UTF-8');
  });

  it('keep every byte of their text, a byte order mark too', () => {
    expect(parseNote(bytes(`\ufeff${goText}\n${peterLine}`)).text).toBe(`\ufeff${goText}`);
  });
});

describe("verifier keys in Go's form", () => {
  it('are refused when cut, or changed in any character', () => {
    for (let start = 0; start <= peterKey.length; start += 1) {
      for (let end = start + 1; end <= peterKey.length; end += 1) {
        if (end - start < peterKey.length) expect(() => parseVerifierKey(peterKey.slice(start, end))).toThrow('not a');
      }
    }
    for (let at = 0; at < peterKey.length; at += 1) {
      const other = String.fromCharCode(peterKey.charCodeAt(at) + 1);
      expect(() => parseVerifierKey(peterKey.slice(0, at) + other + peterKey.slice(at + 1))).toThrow('not a');
    }
  });

  it('are refused with a key of another length or kind though the id be right', () => {
    const keys = [
      'PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==',
      'PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW',
      `${'P'.repeat(1000)}+173116ae+AQ==`,
    ];
    for (const key of keys) expect(() => parseVerifierKey(key)).toThrow('not a verifier key');
  });
});

describe('checkpoints', () => {
  // C2SP tlog-cosignature: its example.
  const text = 'example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n';
  const logLine =
    '— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=';
  const witnessLine =
    '— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==';

  it("are read as the specification's example says", () => {
    const { text: found, signatures } = parseNote(bytes(`${text}\n${logLine}\n${witnessLine}\n`));
    const checkpoint = parseCheckpoint(found);
    expect(checkpoint).toMatchObject({ origin: 'example.com/behind-the-sofa', size: 20852163, extensions: [] });
    expect(formatCheckpoint(checkpoint)).toBe(text);
    expect(signatures.map(({ keyId }) => keyId)).toEqual(['033de0ae', '8d66cf3f']);
    // The time that the specification prints for it.
    expect(new DataView(signatures[1]?.signature.slice(0, 8).buffer as ArrayBuffer).getBigUint64(0)).toBe(1679315147n);
  });

  it.each([
    '',
    '\n',
    'a\n1\n',
    text.slice(0, -1),
    text.replace('20852163', '020852163'),
    text.replace('20852163', '-1'),
    text.replace('20852163', '9007199254740992'),
    text.replace('20852163', '1e3'),
    text.replace('=', ''),
    text.replace('CsUY', ''),
    `\n${text}`,
    `${text}\n`,
    `${text}x\n\ny\n`,
    `${text}${'x\n'.repeat(checkpointExtensionsMax + 1)}`,
  ])('are none: %j', (other) => {
    expect(() => parseCheckpoint(other)).toThrow('not a checkpoint');
  });

  it('give back what they were made of, and open for who knows the log', () => {
    const key = createSigner(new Uint8Array(32).fill(7));
    const verifier = createNoteVerifier('board.example/1', key.publicKey, 'ed25519');
    const checkpoints = fc.record({
      origin: fc.constant('board.example/1'),
      size: fc.maxSafeNat(),
      root: fc.uint8Array({ minLength: 32, maxLength: 32 }),
      extensions: fc.array(fc.stringMatching(/^[\w ]{1,20}$/), { maxLength: 3 }),
    });
    fc.assert(
      fc.property(checkpoints, (checkpoint) => {
        const body = formatCheckpoint(checkpoint);
        const note = formatNote({ text: body, signatures: [signNoteText(body, 'board.example/1', key)] });
        expect(openCheckpoint(note, [verifier])).toMatchObject({ checkpoint, text: body });
      }),
      { numRuns: 25 },
    );
  });
});

describe('cosignatures', () => {
  const text = 'board.example/1\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n';
  const key = createSigner(new Uint8Array(32).fill(9));
  const verifier = createNoteVerifier('witness.example/w', key.publicKey, 'cosignature/v1');
  const cosignature = cosignText(text, 'witness.example/w', key, 1679315147);

  it('say when, over the text as the specification lays it out', () => {
    expect(verifyNoteSignature(text, cosignature, verifier)).toEqual({ verifier, timeSeconds: 1679315147 });
    const message = bytes(`cosignature/v1\ntime 1679315147\n${text}`);
    expect(cosignature.signature.slice(8)).toEqual(key.sign(message));
    expect(parseVerifierKey(formatVerifierKey(verifier))).toEqual(verifier);
    expect(parseSignatureLine(formatSignatureLine(cosignature).trimEnd())).toEqual(cosignature);
  });

  it('are none at another time, over another text, or as a plain signature of the same key', () => {
    const later = { ...cosignature, signature: cosignature.signature.with(7, 0) };
    const never = { ...cosignature, signature: cosignature.signature.with(0, 0x7f) };
    const cut = { ...cosignature, signature: cosignature.signature.subarray(0, 8) };
    for (const other of [later, never, cut]) expect(verifyNoteSignature(text, other, verifier)).toBeNull();
    expect(verifyNoteSignature(`${text}x\n`, cosignature, verifier)).toBeNull();
    const plain = createNoteVerifier('witness.example/w', key.publicKey, 'ed25519');
    expect(plain.keyId).not.toBe(verifier.keyId);
    expect(verifyNoteSignature(text, cosignature, plain)).toBeNull();
    expect(verifyNoteSignature(text, signNoteText(text, 'witness.example/w', key), verifier)).toBeNull();
  });
});

describe('base64', () => {
  it('gives back every byte, and has one spelling', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (some) => {
        expect(fromBase64(toBase64(some))).toEqual(some);
      }),
    );
    for (const text of ['A', 'AA', 'AAA', 'AB==', 'AAB=', 'A===', '====', 'AA=A', 'AAAA\n', 'AA A', 'A-_A', 'é===']) {
      expect(fromBase64(text)).toBeNull();
    }
  });
});
