import { createSeededRandom, silentLogger, silentMeter } from '@pulsemesh/base';
import { openBoardLog } from '@pulsemesh/board/server';
import { testAuthor } from '@pulsemesh/board/testing';
import { createNoteVerifier, formatVerifierKey, hashLeaf, LeafTree } from '@pulsemesh/board/verify';
import { sha256 } from '@pulsemesh/crypto';
import { createMemoryTables } from '@pulsemesh/store';
import { toHex } from '@pulsemesh/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hexOf } from './fields.ts';
import { zeroHash } from './record-codec.ts';
import { type AccessLogEvidence, type LedgerAnchor, type PublicAccessLog, verifyAccessLogs } from './verify-logs.ts';

const author = testAuthor('custodian');
const origin = 'access.test/1';
const account = `0x${'02'.repeat(20)}` as const;
const logKey = formatVerifierKey(createNoteVerifier(origin, author.publicKey, 'ed25519'));

const leafOf = (number: number) => sha256(Uint8Array.of(number >> 8, number & 0xff));

async function signedLog(leaves: readonly Uint8Array[], signer = author): Promise<PublicAccessLog> {
  await using log = await openBoardLog(
    { store: createMemoryTables(), signer, origin },
    { logger: silentLogger, meter: silentMeter },
  );
  await Promise.all(leaves.map((leaf) => log.append(leaf)));
  return { custodian: author.peerId, account, logKey, checkpoint: log.checkpoint.note, leaves };
}

/** Anchors of the first `counts` leaves. */
function anchorsOf(leaves: readonly Uint8Array[], counts: readonly number[]) {
  const tree = new LeafTree();
  for (const leaf of leaves) tree.append(hashLeaf(leaf));
  let previous = zeroHash;
  const ledger = counts.map((count): LedgerAnchor => {
    const anchor = { custodian: account, previous, root: hexOf(tree.root(count)), count: BigInt(count) };
    previous = anchor.root;
    return anchor;
  });
  const board = counts.map((count) => ({ author: author.peerId, root: toHex(tree.root(count)), count }));
  return { ledger, board };
}

type Edit = 'delete' | 'edit' | 'reorder' | 'truncate' | 'insert';

function edited(leaves: readonly Uint8Array[], edit: Edit, place: number): Uint8Array[] {
  const copy = [...leaves];
  const at = place % leaves.length;
  const other = leafOf(60_000);
  if (edit === 'delete') copy.splice(at, 1);
  else if (edit === 'edit') copy[at] = other;
  else if (edit === 'insert') copy.splice(at, 0, other);
  else if (edit === 'truncate') copy.splice(at);
  else copy.push(...copy.splice(at, 1));
  return copy;
}

describe('the verifier of access logs', () => {
  it('finds nothing in an honest log', async () => {
    const leaves = Array.from({ length: 41 }, (_, index) => leafOf(index));
    const evidence = { logs: [await signedLog(leaves)], ...anchorsOf(leaves, [1, 8, 13, 41]) };
    const report = verifyAccessLogs(evidence);
    expect(report.findings).toEqual([]);
    expect(report.logs).toEqual([{ custodian: author.peerId, leaves: 41, anchored: 41 }]);
  });

  it('finds whatever is deleted, edited, reordered, cut off or put in, and signed again or not', async () => {
    const someEdit = fc.record({
      count: fc.integer({ min: 2, max: 40 }),
      place: fc.nat(),
      edit: fc.constantFrom<Edit>('delete', 'edit', 'reorder', 'truncate', 'insert'),
      isSignedAgain: fc.boolean(),
      anchoredOn: fc.constantFrom('ledger', 'board', 'both'),
    });
    await fc.assert(
      fc.asyncProperty(someEdit, async ({ count, place, edit, isSignedAgain, anchoredOn }) => {
        const leaves = Array.from({ length: count }, (_, index) => leafOf(index));
        const after = edited(leaves, edit, place);
        fc.pre(after.some((leaf, index) => leaf !== leaves[index]) || after.length !== leaves.length);
        const honest = await signedLog(leaves);
        const shown = isSignedAgain ? await signedLog(after) : { ...honest, leaves: after };
        const anchors = anchorsOf(leaves, [Math.ceil(count / 2), count]);
        const evidence: AccessLogEvidence = {
          logs: [shown],
          ledger: anchoredOn === 'board' ? [] : anchors.ledger,
          board: anchoredOn === 'ledger' ? [] : anchors.board,
        };
        expect(verifyAccessLogs(evidence).findings).not.toEqual([]);
        const custodians = verifyAccessLogs(evidence).findings.map(({ custodian }) => custodian);
        expect(new Set(custodians)).toEqual(new Set([author.peerId]));
      }),
      { numRuns: 150 },
    );
  });

  it('finds a head that somebody else signed, and leaves that are none', async () => {
    const leaves = [leafOf(1), leafOf(2)];
    const forged = { ...(await signedLog(leaves, testAuthor('somebody else'))), logKey };
    const faults = (log: PublicAccessLog) =>
      verifyAccessLogs({ logs: [log], ledger: [], board: [] }).findings.map(({ fault }) => fault);
    expect(faults(forged)).toEqual(['head-unsigned']);
    expect(faults({ ...forged, checkpoint: new Uint8Array(3) })).toEqual(['head-unsigned']);
    const honest = await signedLog(leaves);
    expect(faults({ ...honest, leaves: [leafOf(1), new Uint8Array(31)] })).toEqual(['leaf-malformed', 'head-differs']);
  });

  it('finds anchors that do not follow from each other', async () => {
    const leaves = Array.from({ length: 9 }, (_, index) => leafOf(index));
    const log = await signedLog(leaves);
    const { ledger, board } = anchorsOf(leaves, [3, 6, 9]);
    const faultsOf = (changes: Partial<AccessLogEvidence>) =>
      verifyAccessLogs({ logs: [log], ledger, board, ...changes }).findings.map(({ fault, where }) => [fault, where]);
    expect(faultsOf({ ledger: ledger.slice(1) })).toContainEqual(['anchors-broken', 'ledger']);
    expect(faultsOf({ ledger: [ledger[0], ledger[2]] as LedgerAnchor[] })).toContainEqual(['anchors-broken', 'ledger']);
    expect(faultsOf({ board: [...board].reverse() })).toContainEqual(['anchors-broken', 'board']);
    const counted = { custodian: account, previous: ledger[2]?.root ?? zeroHash, root: zeroHash, count: 12n };
    expect(faultsOf({ ledger: [...ledger, counted] })).toEqual([['leaves-missing', 'ledger']]);
    const foreign = { custodian: `0x${'09'.repeat(20)}`, previous: zeroHash, root: zeroHash, count: 1n } as const;
    expect(faultsOf({ ledger: [foreign, ...ledger] })).toEqual([]);
  });
});

describe('a tree of hashes', () => {
  it('has at every size the root that the log signs', async () => {
    const tree = new LeafTree();
    const random = createSeededRandom(3);
    await using log = await openBoardLog(
      { store: createMemoryTables(), signer: author, origin },
      { logger: silentLogger, meter: silentMeter },
    );
    expect(tree.root(0)).toEqual(log.checkpoint.root);
    const roots = [log.checkpoint.root];
    for (let size = 1; size <= 70; size += 1) {
      const leaf = random.bytes(32);
      tree.append(hashLeaf(leaf));
      await log.append(leaf);
      roots.push(log.checkpoint.root);
    }
    expect(roots.map((_, size) => tree.root(size))).toEqual(roots);
  });
});
