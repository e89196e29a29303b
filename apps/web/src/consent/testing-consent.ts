import { formatNote } from '@pulsemesh/board/server';
import { formatCheckpoint, signNoteText, testAuthor } from '@pulsemesh/board/testing';
import { createNoteVerifier, emptyRoot, formatVerifierKey, hashLeaf, hashNode } from '@pulsemesh/board/verify';
import { sha256 } from '@pulsemesh/crypto';
import type { CustodianLogView, Hex, LedgerView } from '@pulsemesh/node/api';
import { toHex } from '@pulsemesh/wire';
import { toBase64 } from './bytes.ts';

/** A ledger for tests: embedded, with one sealer. */
export function ledgerOf(change: Partial<LedgerView> = {}): LedgerView {
  return {
    kind: 'embedded',
    chainId: 1,
    contract: `0x${'c0'.repeat(20)}`,
    head: '7',
    finalized: '7',
    headAgeMs: 0,
    sealers: [`0x${'5e'.repeat(20)}`],
    codeHash: null,
    state: 'up',
    words: '',
    symbol: 'units',
    decimals: 2,
    ...change,
  };
}

/** A custodian's log as it would show it, of leaves that are hashes of nothing in particular. */
export interface TestLog {
  readonly peer: string;
  readonly view: CustodianLogView;
  readonly leaves: readonly string[];
  readonly root: Hex;
  readonly size: number;
}

/** `size`: what its head says, where that is not the count of its leaves. */
export function openTestLog(count: number, size = count): TestLog {
  const author = testAuthor('custodian');
  const origin = 'access.test/1';
  const leaves = Array.from({ length: count }, (_, index) => sha256(Uint8Array.of(index)));
  const root = treeRoot(leaves.map(hashLeaf));
  const text = formatCheckpoint({ origin, size, root, extensions: [] });
  const note = formatNote({ text, signatures: [signNoteText(text, origin, author)] });
  const logKey = formatVerifierKey(createNoteVerifier(origin, author.publicKey, 'ed25519'));
  const view = { peer: author.peerId, logKey, account: null, checkpoint: toBase64(note), size };
  return { peer: author.peerId, view, leaves: leaves.map(toHex), root: `0x${toHex(root)}`, size };
}

/** RFC 6962 §2.1, as it is written there. */
function treeRoot(hashes: readonly Uint8Array[]): Uint8Array {
  const [only] = hashes;
  if (only === undefined) return emptyRoot;
  if (hashes.length === 1) return only;
  const half = 2 ** Math.floor(Math.log2(hashes.length - 1));
  return hashNode(treeRoot(hashes.slice(0, half)), treeRoot(hashes.slice(half)));
}
