import { VirtualClock } from '@pulsemesh/base/testing';
import { emptyRoot, hashLeaf, hashNode } from '@pulsemesh/board/verify';
import type { AnchorView, CustodianLogView } from '@pulsemesh/node/api';
import { describe, expect, it } from 'vitest';
import { toHexText } from './bytes.ts';
import { contradictionsOf, leavesMax, verifyCustodianLog } from './custodian-log.ts';
import { openTestLog } from './testing-consent.ts';

const log = openTestLog(7);

function anchorOf(change: Partial<AnchorView> = {}): AnchorView {
  const { peer, root, size } = log;
  return { custodian: peer, root, count: size, transaction: '0x01', boardIndex: 1, atMs: 0, ...change };
}

function verify(view: CustodianLogView, anchors: readonly AnchorView[], leaves: readonly string[] = log.leaves) {
  const leavesOf = async (_peer: string, from: number) => ({
    from,
    leaves: leaves.slice(from, from + 3),
    checkpoint: '',
  });
  return verifyCustodianLog(view, anchors, { clock: new VirtualClock(), source: { leaves: leavesOf } });
}

describe('a custodian’s log in the browser', () => {
  it('is sound where its leaves give the root that it signed and those that are anchored', async () => {
    const [a, b, c] = log.leaves.map((leaf) => hashLeaf(new Uint8Array(Buffer.from(leaf, 'hex'))));
    if (a === undefined || b === undefined || c === undefined) throw new Error('it has three leaves');
    const third = anchorOf({ count: 3, root: toHexText(hashNode(hashNode(a, b), c)) });
    const none = anchorOf({ count: 0, root: toHexText(emptyRoot) });
    const verdict = await verify(log.view, [anchorOf(), third, none]);
    expect(verdict).toMatchObject({ kind: 'sound', size: 7, anchorsMatched: 3, findings: [] });
  });

  it.each([
    [
      'anchored another root',
      () => [log.view, [anchorOf({ root: `0x${'9'.repeat(64)}` })]],
      /not those that it anchored/,
    ],
    ['took entries back', () => [log.view, [anchorOf({ count: 9 })]], /entries were taken back/],
    ['shows fewer than it signed', () => [log.view, [], log.leaves.slice(0, 5)], /signed 7 entries and shows 5/],
    ['shows other entries', () => [log.view, [], ['00'.repeat(32), ...log.leaves.slice(1)]], /do not give the root/],
    ['shows what is no hash', () => [log.view, [], ['no', ...log.leaves.slice(1)]], /do not give the root/],
    ['signs with another key', () => [{ ...log.view, peer: `${log.peer}x` }, []], /another key than its own/],
    ['has no readable key', () => [{ ...log.view, logKey: 'x' }, []], /cannot be read/],
    [
      'shows a head of nobody',
      () => [{ ...log.view, checkpoint: btoa('no note') }, []],
      /does not carry its signature/,
    ],
  ] as const)('is bad where it %s', async (_name, given, text) => {
    const [view, anchors, leaves] = given() as [CustodianLogView, AnchorView[], string[] | undefined];
    const verdict = await verify(view, anchors, leaves);
    expect(verdict.kind).toBe('bad');
    expect(verdict.findings.join()).toMatch(text);
  });

  it('is away where it does not answer, which is no contradiction', async () => {
    expect((await verify({ ...log.view, checkpoint: null }, [])).kind).toBe('away');
    const source = { leaves: () => Promise.reject(new Error('away')) };
    expect((await verifyCustodianLog(log.view, [], { clock: new VirtualClock(), source })).kind).toBe('away');
  });

  it('is left to the command where it has more than a page reads', async () => {
    expect((await verify(openTestLog(1, leavesMax + 1).view, [])).kind).toBe('long');
  });

  it('shows itself by two roots for one size', () => {
    expect(contradictionsOf([anchorOf(), anchorOf({ atMs: 5 })])).toEqual([]);
    expect(contradictionsOf([anchorOf(), anchorOf({ root: '0x02' })])).toHaveLength(1);
  });
});
