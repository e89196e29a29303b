import { type Checkpoint, hashLeaf, LeafTree, openCheckpoint, parseVerifierKey } from '@pulsemesh/board/verify';
import type { PeerId } from '@pulsemesh/wire';
import type { Hex } from '../offer/offer.ts';
import { hexOf } from './fields.ts';
import { zeroHash } from './record-codec.ts';

/** A custodian's log as it shows it to everybody. */
export interface PublicAccessLog {
  readonly custodian: PeerId;
  /** Its account on the ledger; null where it has none, or the ledger is a board. */
  readonly account: Hex | null;
  /** C2SP note key. */
  readonly logKey: string;
  readonly checkpoint: Uint8Array;
  /** All of them, from the first on. */
  readonly leaves: readonly Uint8Array[];
}

/** An `anchored` event of the ledger. */
export interface LedgerAnchor {
  readonly custodian: Hex;
  readonly previous: Hex;
  readonly root: Hex;
  readonly count: bigint;
}

/** An `anchor` entry of the board about accesses. */
export interface BoardAnchor {
  readonly author: PeerId;
  /** 64 hex digits. */
  readonly root: string;
  readonly count: number;
}

export interface AccessLogEvidence {
  readonly logs: readonly PublicAccessLog[];
  /** All there are, in the ledger's order. */
  readonly ledger: readonly LedgerAnchor[];
  /** All there are, in the board's order. */
  readonly board: readonly BoardAnchor[];
}

/** What is wrong with a log. */
export type AccessLogFault =
  /** The head is not signed with the log's key. */
  | 'head-unsigned'
  /** The leaves are not those of the signed head: not its number, or not its root. */
  | 'head-differs'
  /** Something that is no hash stands in the log. */
  | 'leaf-malformed'
  /** The first `count` leaves are not those that were anchored: one was changed, moved, left out or put in. */
  | 'root-differs'
  /** More leaves were anchored than are shown. */
  | 'leaves-missing'
  /** An anchor does not follow from the one before it: of fewer leaves, of other ones, or from another beginning. */
  | 'anchors-broken';

export interface AccessLogFinding {
  readonly custodian: PeerId;
  readonly fault: AccessLogFault;
  readonly where: 'log' | 'ledger' | 'board';
  /** Leaves that the head or anchor counts. */
  readonly count: number;
}

export interface AccessLogReport {
  readonly findings: readonly AccessLogFinding[];
  readonly logs: readonly {
    readonly custodian: PeerId;
    readonly leaves: number;
    /** Leaves that an anchor vouches for; what comes after them rests on the custodian's word until the next one. */
    readonly anchored: number;
  }[];
}

/**
 * Checks custodians' access logs by what is public alone: leaves, heads, and the roots that ledger and board hold. Whatever is done to
 * leaves that are anchored shows, whoever signs afterwards. Never throws for what it is given but a log key of another form.
 */
export function verifyAccessLogs({ logs, ledger, board }: AccessLogEvidence): AccessLogReport {
  const findings: AccessLogFinding[] = [];
  const checked = logs.map((log) => {
    const found = (fault: AccessLogFault, where: AccessLogFinding['where'], count: number) =>
      findings.push({ custodian: log.custodian, fault, where, count });
    const tree = treeOf(log, () => found('leaf-malformed', 'log', log.leaves.length));
    checkHead(log, tree, found);
    const onLedger = ledger.filter(({ custodian }) => custodian === log.account);
    const onBoard = board.filter(({ author }) => author === log.custodian);
    checkChain(onLedger, (count) => found('anchors-broken', 'ledger', count));
    const anchored = [
      ...onLedger.map(({ root, count }) => ({ root, count: Number(count), where: 'ledger' as const })),
      ...onBoard.map(({ root, count }) => ({ root: `0x${root}` as const, count, where: 'board' as const })),
    ];
    checkGrowth(onBoard, (count) => found('anchors-broken', 'board', count));
    for (const { root, count, where } of anchored) {
      if (count > tree.size) found('leaves-missing', where, count);
      else if (hexOf(tree.root(count)) !== root) found('root-differs', where, count);
    }
    const sound = anchored.map(({ count }) => count).filter((count) => count <= tree.size);
    return { custodian: log.custodian, leaves: log.leaves.length, anchored: Math.max(0, ...sound) };
  });
  return { findings, logs: checked };
}

const leafBytes = 32;

/** The tree of the leaves, up to the first that is none. */
function treeOf({ leaves }: PublicAccessLog, malformed: () => void): LeafTree {
  const tree = new LeafTree();
  for (const leaf of leaves) {
    if (leaf.length !== leafBytes) {
      malformed();
      break;
    }
    tree.append(hashLeaf(leaf));
  }
  return tree;
}

function checkHead(
  log: PublicAccessLog,
  tree: LeafTree,
  found: (fault: AccessLogFault, where: 'log', count: number) => void,
): void {
  const head = headOf(log);
  if (head === null) found('head-unsigned', 'log', 0);
  else if (head.size !== tree.size || hexOf(tree.root(tree.size)) !== hexOf(head.root))
    found('head-differs', 'log', head.size);
}

function headOf({ logKey, checkpoint }: PublicAccessLog): Checkpoint | null {
  const verifier = parseVerifierKey(logKey);
  try {
    const opened = openCheckpoint(checkpoint, [verifier]).checkpoint;
    return opened.origin === verifier.name ? opened : null;
  } catch {
    return null; // another form, or somebody else's signature
  }
}

/** Each anchor on the ledger names the root of the one before it; the first one none. */
function checkChain(anchors: readonly LedgerAnchor[], broken: (count: number) => void): void {
  let before = { root: zeroHash, count: 0n };
  for (const anchor of anchors) {
    // The same once more, after a crash between sending and hearing of it, says nothing else.
    if (anchor.root === before.root && anchor.count === before.count) continue;
    if (anchor.previous !== before.root || anchor.count <= before.count) broken(Number(anchor.count));
    before = anchor;
  }
}

function checkGrowth(anchors: readonly BoardAnchor[], broken: (count: number) => void): void {
  let before = 0;
  for (const { count } of anchors) {
    if (count <= before) broken(count);
    before = count;
  }
}
