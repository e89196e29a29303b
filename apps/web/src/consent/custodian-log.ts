import { type Clock, sleep } from '@pulsemesh/base/clock';
import {
  emptyRoot,
  hashLeaf,
  hashNode,
  type NoteVerifier,
  openCheckpoint,
  parseVerifierKey,
} from '@pulsemesh/board/verify';
import type { AnchorView, CustodianLogView, LeavesView } from '@pulsemesh/node/api';
import { peerIdOfEd25519 } from '@pulsemesh/wire';
import { formatCount } from '../format.ts';
import { fromBase64, fromHexText, toHexText } from './bytes.ts';

/** Leaves that a page reads of one log: 64 bytes of memory and some microseconds each. */
export const leavesMax = 200_000;
/** Leaves that are hashed before the page may draw again. */
const leavesPerTurn = 500;

/** What this browser made of a custodian's log. */
export interface LogVerdict {
  /** `bad`: somebody contradicts what was signed. `away`: not to be had now. `long`: more than a page reads. */
  readonly kind: 'sound' | 'bad' | 'away' | 'long';
  readonly size: number;
  /** Anchors whose root is that of the leaves. */
  readonly anchorsMatched: number;
  /** Sentences; empty where all is well. */
  readonly findings: readonly string[];
  /** Leaves as hex, in order; empty where they could not be read. */
  readonly leaves: readonly string[];
  /** Roots at the anchored sizes, computed here. */
  readonly roots: ReadonlyMap<number, string>;
}

export interface LogSource {
  /** Leaves from a place on. */
  readonly leaves: (peer: string, from: number, signal?: AbortSignal) => Promise<LeavesView>;
}

export interface LogDependencies {
  readonly clock: Clock;
  readonly source: LogSource;
  /** Told how many leaves were read. */
  readonly onProgress?: (read: number) => void;
  readonly signal?: AbortSignal;
}

/**
 * Reads all leaves of a custodian's log and computes its tree: its root has to be the one that the custodian signed, and at each anchored size
 * the one that is anchored. Works in turns, so that the page stays alive.
 */
export async function verifyCustodianLog(
  log: CustodianLogView,
  anchors: readonly AnchorView[],
  deps: LogDependencies,
): Promise<LogVerdict> {
  const own = anchors.filter((anchor) => isOf(anchor, log));
  const nothing = { size: log.size, anchorsMatched: 0, leaves: [], roots: new Map<number, string>() };
  const head = headOf(log);
  if (head.kind === 'away') return { ...nothing, kind: 'away', findings: ['It does not answer now.'] };
  if (head.kind === 'refused') return { ...nothing, kind: 'bad', findings: [head.text] };
  if (head.size > leavesMax) {
    const text = `It has ${formatCount(head.size)} entries, more than a page reads: use pulsemesh ledger verify.`;
    return { ...nothing, kind: 'long', findings: [text] };
  }
  const leaves = await readLeaves(log.peer, head.size, deps);
  if (leaves === null) return { ...nothing, kind: 'away', findings: ['Its entries could not be fetched now.'] };
  const counts = new Set(own.map(({ count }) => count));
  const roots = await rootsOf(leaves, counts, deps);
  const findings = [
    ...(leaves.length < head.size
      ? [`It signed ${formatCount(head.size)} entries and shows ${formatCount(leaves.length)}.`]
      : roots.get(head.size) !== head.root
        ? ['Its entries do not give the root that it signed.']
        : []),
    ...own.flatMap((anchor) => anchorFinding(anchor, head.size, roots)),
  ];
  const anchorsMatched = own.filter(({ count, root }) => roots.get(count) === root.toLowerCase()).length;
  return { kind: findings.length === 0 ? 'sound' : 'bad', size: head.size, anchorsMatched, findings, leaves, roots };
}

/** Anchors that contradict each other: one size, two roots. A custodian that shows two logs shows itself so. */
export function contradictionsOf(anchors: readonly AnchorView[]): readonly string[] {
  const seen = new Map<string, string>();
  return anchors.flatMap((anchor) => {
    const key = `${anchor.custodian} ${anchor.count}`;
    const before = seen.get(key);
    seen.set(key, anchor.root);
    if (before === undefined || before === anchor.root) return [];
    return [`Two different roots are anchored for the same ${formatCount(anchor.count)} entries of one custodian.`];
  });
}

/** Whether an anchor is of this log: by its peer, or by the account under which it anchors. */
export function isOf(anchor: Pick<AnchorView, 'custodian'>, log: Pick<CustodianLogView, 'peer' | 'account'>): boolean {
  return anchor.custodian === log.peer || anchor.custodian.toLowerCase() === log.account?.toLowerCase();
}

type Head =
  | { readonly kind: 'away' }
  | { readonly kind: 'refused'; readonly text: string }
  | { readonly kind: 'good'; readonly size: number; readonly root: string };

function headOf({ peer, logKey, checkpoint }: CustodianLogView): Head {
  if (checkpoint === null) return { kind: 'away' };
  let verifier: NoteVerifier;
  try {
    verifier = parseVerifierKey(logKey);
  } catch {
    return { kind: 'refused', text: 'The key of its log cannot be read.' };
  }
  if (peerIdOfEd25519(verifier.publicKey) !== peer) {
    return { kind: 'refused', text: 'Its log is signed with another key than its own.' };
  }
  try {
    const { checkpoint: head } = openCheckpoint(fromBase64(checkpoint), [verifier]);
    if (head.origin !== verifier.name) return { kind: 'refused', text: 'It shows the head of another log.' };
    return { kind: 'good', size: head.size, root: toHexText(head.root) };
  } catch {
    return { kind: 'refused', text: 'The head that it shows does not carry its signature.' };
  }
}

async function readLeaves(peer: string, size: number, deps: LogDependencies): Promise<string[] | null> {
  const leaves: string[] = [];
  while (leaves.length < size) {
    deps.signal?.throwIfAborted();
    let page: LeavesView;
    try {
      page = await deps.source.leaves(peer, leaves.length, deps.signal);
    } catch (error) {
      if (deps.signal?.aborted) throw error;
      return null;
    }
    if (page.from !== leaves.length || page.leaves.length === 0) break;
    leaves.push(...page.leaves.slice(0, size - leaves.length));
    deps.onProgress?.(leaves.length);
  }
  return leaves;
}

/** Roots of the first n leaves, for each n asked for and for all of them. */
async function rootsOf(
  leaves: readonly string[],
  counts: ReadonlySet<number>,
  deps: LogDependencies,
): Promise<Map<number, string>> {
  const roots = new Map<number, string>([[0, toHexText(emptyRoot)]]);
  // Roots of whole subtrees, largest first, as the bits of the count say (RFC 6962 §2.1).
  const peaks: { readonly height: number; readonly hash: Uint8Array }[] = [];
  for (const [index, leaf] of leaves.entries()) {
    if (index % leavesPerTurn === leavesPerTurn - 1)
      await sleep(deps.clock, 0, deps.signal ? { signal: deps.signal } : {});
    if (!/^[0-9a-f]{64}$/.test(leaf)) return roots;
    let top = { height: 0, hash: hashLeaf(fromHexText(`0x${leaf}`)) };
    while (peaks.at(-1)?.height === top.height) {
      const left = peaks.pop();
      if (left !== undefined) top = { height: top.height + 1, hash: hashNode(left.hash, top.hash) };
    }
    peaks.push(top);
    const size = index + 1;
    if (size !== leaves.length && !counts.has(size)) continue;
    const root = peaks.map(({ hash }) => hash).reduceRight((right, left) => hashNode(left, right));
    roots.set(size, toHexText(root));
  }
  return roots;
}

function anchorFinding(anchor: AnchorView, size: number, roots: ReadonlyMap<number, string>): readonly string[] {
  const entries = formatCount(anchor.count);
  if (anchor.count > size) return [`It anchored ${entries} entries and shows fewer: entries were taken back.`];
  if (roots.get(anchor.count) !== anchor.root.toLowerCase()) {
    return [`Its first ${entries} entries are not those that it anchored.`];
  }
  return [];
}
