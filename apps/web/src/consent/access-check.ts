import { type Clock, sleep } from '@pulsemesh/base/clock';
import { Condition } from '@pulsemesh/base/errors';
import { decodeAccessReceipt, type VerifiedAccess, verifyAccessReceipt } from '@pulsemesh/ledger/browser';
import type { AccessView, CustodianLogView } from '@pulsemesh/node/api';
import { fromBase64, toHexText } from './bytes.ts';
import type { LogVerdict } from './custodian-log.ts';
import { dayWords } from './words.ts';

/** What this browser found of one line of "who read what". */
export type AccessCheck =
  | { readonly kind: 'checking' }
  /** The receipt shows it. `anchor` says how far it is bound to ledger and board. */
  | { readonly kind: 'genuine'; readonly anchor: string }
  | { readonly kind: 'refused'; readonly text: string };

/** A custodian's log and what was found of it; null: not looked at yet. */
export interface CheckedLog {
  readonly log: CustodianLogView;
  readonly verdict: LogVerdict | null;
}

/** Receipts are checked newest first, up to so many: a signature costs a browser one or two milliseconds. */
export const checksMax = 2_000;

/** What receipts were found to show, by receipt and key: each new answer of the node brings the same ones again. */
const verified = new Map<string, VerifiedAccess | string>();

/**
 * Checks a line: its receipt by the custodian's key alone, that the line says what the receipt says, and that its entry is in the log
 * whose roots are anchored.
 */
export function checkAccess(access: AccessView, logs: readonly CheckedLog[]): AccessCheck {
  const found = logs.find(({ log }) => log.peer === access.custodian);
  if (found === undefined) return { kind: 'refused', text: 'its custodian is not among those that this node knows' };
  const shown = verifiedOnce(access.receipt, found.log.logKey);
  if (typeof shown === 'string') return { kind: 'refused', text: shown };
  if (!isSame(access, shown)) return { kind: 'refused', text: 'its receipt says something else than this line' };
  return withLog(access, shown, found.verdict);
}

function verifiedOnce(receipt: string, logKey: string): VerifiedAccess | string {
  const key = `${logKey} ${receipt}`;
  let known = verified.get(key);
  if (known !== undefined) return known;
  known = verify(receipt, logKey);
  const oldest = verified.size >= checksMax ? verified.keys().next().value : undefined;
  if (oldest !== undefined) verified.delete(oldest);
  verified.set(key, known);
  return known;
}

/** All of them, in turns, so that the page stays alive. */
export async function checkAccesses(
  accesses: readonly AccessView[],
  logs: readonly CheckedLog[],
  deps: {
    readonly clock: Clock;
    readonly signal: AbortSignal;
    readonly onCheck: (done: ReadonlyMap<AccessView, AccessCheck>) => void;
  },
): Promise<void> {
  const done = new Map<AccessView, AccessCheck>();
  for (const [index, access] of accesses.entries()) {
    if (index >= checksMax)
      done.set(access, { kind: 'refused', text: `not checked here: older than the newest ${checksMax}` });
    else done.set(access, checkAccess(access, logs));
    if (index % 10 !== 9 || index > checksMax) continue;
    deps.onCheck(new Map(done));
    await sleep(deps.clock, 0, { signal: deps.signal });
  }
  deps.onCheck(done);
}

function verify(receipt: string, logKey: string): VerifiedAccess | string {
  try {
    return verifyAccessReceipt(decodeAccessReceipt(fromBase64(receipt)), { logKey });
  } catch (error) {
    return error instanceof Condition ? refusalWords(error) : 'its receipt cannot be read';
  }
}

function isSame(access: AccessView, { record, index, custodian }: VerifiedAccess): boolean {
  return (
    record.grantId === access.grantId &&
    record.kind === access.kind &&
    record.reader === access.reader &&
    record.atMs === access.atMs &&
    record.purpose === access.purpose &&
    record.fromSeconds * 1000 === access.fromMs &&
    record.untilSeconds * 1000 === access.untilMs &&
    record.records === access.records &&
    record.bytes === access.bytes &&
    index === access.index &&
    custodian === access.custodian
  );
}

function withLog(
  access: AccessView,
  { leaf, index, checkpoint }: VerifiedAccess,
  verdict: LogVerdict | null,
): AccessCheck {
  if (verdict === null) return { kind: 'genuine', anchor: 'comparing with the anchors…' };
  const { leaves, roots } = verdict;
  if (leaves.length === 0)
    return { kind: 'genuine', anchor: 'its log cannot be read now, so anchors were not compared' };
  const shown = leaves[index];
  if (index < leaves.length && shown !== toHexText(leaf).slice(2)) {
    return { kind: 'refused', text: 'the custodian’s public log has another entry at its place' };
  }
  const root = roots.get(checkpoint.size);
  if (root !== undefined && root !== toHexText(checkpoint.root)) {
    return { kind: 'refused', text: 'the custodian signed two different logs of the same size' };
  }
  const { anchor } = access;
  if (anchor === null) return { kind: 'genuine', anchor: 'in the public log; not anchored yet' };
  if (anchor.count <= index || roots.get(anchor.count) !== anchor.root.toLowerCase()) {
    return { kind: 'refused', text: 'what is anchored is another log' };
  }
  const places = [...(anchor.transaction === null ? [] : ['ledger']), ...(anchor.boardIndex === null ? [] : ['board'])];
  return { kind: 'genuine', anchor: `anchored on ${places.join(' and ') || 'nothing'}, ${dayWords(anchor.atMs)}` };
}

const refusals: Readonly<Record<string, string>> = {
  'not-in-log': 'its entry is not in the log that the custodian signed',
  checkpoint: 'the head of the log does not carry the custodian’s signature',
  signature: 'the custodian’s signature is not over this',
  request: 'the reader did not sign this request',
  contradiction: 'more was handed out than was asked for',
};

function refusalWords(error: Condition): string {
  const { reason } = error.facts;
  return (typeof reason === 'string' ? refusals[reason] : undefined) ?? 'its receipt cannot be read';
}
