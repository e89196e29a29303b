import { VirtualClock } from '@pulsemesh/base/testing';
import { createMemoryTables } from '@pulsemesh/store';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hashLeaf } from '../merkle/hash.ts';
import { LeafTree } from '../merkle/leaf-tree.ts';
import { formatCheckpoint, openCheckpoint } from '../notes/checkpoint.ts';
import { createNoteVerifier, signNoteText } from '../notes/keys.ts';
import { formatNote, parseSignatureLine } from '../notes/note.ts';
import { testAuthor } from '../testing/sample-entries.ts';
import { cosignResponse, formatCosignRequest, parseCosignRequest } from './cosigning.ts';
import { type CosignAnswer, Witness } from './witness.ts';

const origin = 'board.test/log';
const boardKey = testAuthor('board');
const board = createNoteVerifier(origin, boardKey.publicKey, 'ed25519');
const key = testAuthor('witness');

function aTree(count: number, seed = 0): LeafTree {
  const tree = new LeafTree();
  for (let index = 0; index < count; index += 1) tree.append(hashLeaf(Uint8Array.of(index, seed)));
  return tree;
}

function noteOf(tree: LeafTree, size = tree.size, by = boardKey, name = origin): Uint8Array {
  const text = formatCheckpoint({ origin: name, size, root: tree.root(size), extensions: [] });
  return formatNote({ text, signatures: [signNoteText(text, name, by)] });
}

function aWitness(store = createMemoryTables(), clock = new VirtualClock()): Witness {
  return new Witness({ name: 'witness.test', key, logs: [board] }, { clock, store });
}

const ask = (witness: Witness, tree: LeafTree, from: number, size = tree.size) =>
  witness.cosign({ oldSize: from, proof: tree.consistency(from, size), note: noteOf(tree, size) });

describe('a witness', () => {
  it('cosigns what continues what it saw, so that the note verifies', async () => {
    const witness = aWitness();
    const tree = aTree(9);
    const answer = await ask(witness, tree, 0, 4);
    expect(answer.kind).toBe('cosigned');
    const answer2 = await ask(witness, tree, 4);
    const line = answer2.kind === 'cosigned' ? answer2.line : '';
    const { text } = openCheckpoint(noteOf(tree), [board]);
    const note = formatNote({ text, signatures: [parseSignatureLine(line.trimEnd())] });
    expect(openCheckpoint(note, [witness.verifier]).checkpoint.size).toBe(9);
    expect(witness.sizeOf(origin)).toBe(9);
  });

  it('says what it saw last when asked from elsewhere, and signs nothing smaller, forked, unproven or unsigned', async () => {
    const witness = aWitness();
    const tree = aTree(9);
    await ask(witness, tree, 0);
    expect(await ask(witness, tree, 0, 4)).toEqual({ kind: 'conflict', size: 9 });
    expect(await witness.cosign({ oldSize: 9, proof: [], note: noteOf(tree, 4) })).toEqual({ kind: 'malformed' });
    expect(await ask(witness, aTree(9, 1), 9)).toEqual({ kind: 'conflict', size: 9 });
    expect(await ask(witness, aTree(12, 1), 9)).toEqual({ kind: 'inconsistent' });
    const longer = aTree(12);
    expect(await witness.cosign({ oldSize: 9, proof: [], note: noteOf(longer) })).toEqual({ kind: 'inconsistent' });
    const forged = noteOf(longer, 12, testAuthor('forger'));
    expect(await witness.cosign({ oldSize: 9, proof: [], note: forged })).toEqual({ kind: 'unsigned' });
    const other = noteOf(longer, 12, boardKey, 'board.test/other');
    expect(await witness.cosign({ oldSize: 0, proof: [], note: other })).toEqual({ kind: 'unknown-log' });
    expect(await witness.cosign({ oldSize: 0, proof: [], note: Uint8Array.of(1) })).toEqual({ kind: 'malformed' });
    expect(witness.sizeOf(origin)).toBe(9);
    expect((await ask(witness, tree, 9)).kind).toBe('cosigned');
  });

  it('never signs two roots for one size nor goes back, whatever it is asked, crashing between, in whatever order', async () => {
    const trees = [aTree(12, 0), aTree(12, 1)];
    const request = fc.record({
      tree: fc.nat(1),
      from: fc.nat(12),
      size: fc.nat(12),
      isCrashing: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(request, { maxLength: 4 }), { maxLength: 12 }), async (batches) => {
        const store = createMemoryTables();
        let witness = aWitness(store);
        const signed = new Map<number, string>();
        let largest = 0;
        for (const batch of batches) {
          const answers = await Promise.all(
            batch.map(async ({ tree: which, from, size }): Promise<[CosignAnswer, number, number]> => {
              const tree = trees[which] as LeafTree;
              const note = noteOf(tree, size);
              const proof = from <= size ? tree.consistency(from, size) : [];
              return [await witness.cosign({ oldSize: from, proof, note }), size, which];
            }),
          );
          for (const [answer, size, which] of answers) {
            if (answer.kind !== 'cosigned') continue;
            expect(size).toBeGreaterThanOrEqual(largest);
            largest = size;
            const root = String((trees[which] as LeafTree).root(size));
            expect(signed.get(size) ?? root).toBe(root);
            signed.set(size, root);
          }
          expect(witness.sizeOf(origin)).toBe(largest);
          if (batch.some(({ isCrashing }) => isCrashing)) witness = aWitness(store);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('signs nothing that it could not remember', async () => {
    const store = createMemoryTables();
    const failing = { ...store, get: store.get.bind(store), commit: () => Promise.reject(new Error('disk')) };
    const witness = new Witness(
      { name: 'w', key, logs: [board] },
      { clock: new VirtualClock(), store: failing as unknown as typeof store },
    );
    await expect(ask(witness, aTree(3), 0)).rejects.toThrow('disk');
    expect(aWitness(store).sizeOf(origin)).toBe(0);
  });

  it('speaks tlog-witness: bodies both ways and the status codes', () => {
    const tree = aTree(9);
    const request = { oldSize: 4, proof: tree.consistency(4), note: noteOf(tree) };
    expect(parseCosignRequest(formatCosignRequest(request))).toEqual(request);
    for (const body of ['', 'old 01\n\nx', 'old 1\nAAAA\n\nx', 'new 1\n\nx', `old 1\n${'A\n'.repeat(70)}\nx`]) {
      expect(() => parseCosignRequest(new TextEncoder().encode(body))).toThrow();
    }
    const status = (answer: CosignAnswer) => cosignResponse(answer).status;
    const kinds = ['malformed', 'unknown-log', 'unsigned', 'inconsistent', 'busy'] as const;
    expect(kinds.map((kind) => status({ kind }))).toEqual([400, 404, 403, 422, 503]);
    const conflict = cosignResponse({ kind: 'conflict', size: 7 });
    expect(conflict).toEqual({ status: 409, contentType: 'text/x.tlog.size', body: '7\n' });
  });
});
