import { silentLogger } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { createMemoryTables } from '@pulsemesh/store';
import { describe, expect, it, vi } from 'vitest';
import { signEntry } from '../entries/entry-codec.ts';
import { formatVerifierKey } from '../notes/keys.ts';
import { LyingBoard } from '../testing/lying-board.ts';
import { testAuthor } from '../testing/sample-entries.ts';
import { type BoardClient, openBoardClient } from './board-client.ts';
import { type Gossip, type GossipChannel, gossipLimits, startGossip } from './gossip.ts';

const author = testAuthor('author');
const clock = new VirtualClock();
const deps = { clock, logger: silentLogger };

function announcement(title: string, origin = 'board.test/lying'): Uint8Array {
  return signEntry({ kind: 'announcement', body: { title, text: 'text' }, createdMs: 1 }, origin, author);
}

/** Everybody hears everybody. */
function aRoom(): () => GossipChannel {
  const handlers = new Set<(message: Uint8Array) => void>();
  return () => {
    let own: ((message: Uint8Array) => void) | null = null;
    return {
      send: async (message) => {
        for (const handler of handlers) if (handler !== own) handler(message);
      },
      onMessage(handler) {
        own = handler;
        handlers.add(handler);
        return { [Symbol.dispose]: () => void handlers.delete(handler) };
      },
    };
  };
}

async function aReader(board: LyingBoard, view: string, channel: GossipChannel) {
  const policy = { board: board.verifier, witnesses: [], quorum: 0 };
  const store = createMemoryTables();
  const client = await openBoardClient({ url: board.url(view), policy, store, followMs: 0 }, deps);
  const gossip: Gossip = startGossip(client, formatVerifierKey(board.verifier), channel, deps);
  const both: BoardClient & { gossip: Gossip } = Object.assign(client, { gossip });
  return both;
}

describe('gossip about a board', () => {
  it('lets any two who were shown different things find out, and everybody else learn of it', async () => {
    await using board = await LyingBoard.start();
    const channel = aRoom();
    const common = announcement('common');
    board.show('a', [common, announcement('for a')]);
    board.show('b', [common, announcement('for b')]);
    await using alice = await aReader(board, 'a', channel());
    await using bob = await aReader(board, 'b', channel());
    await using carol = await aReader(board, 'a', channel());
    await alice.refresh();
    await bob.refresh();
    await alice.gossip.tell();
    await vi.waitFor(() => expect(bob.evidence?.kind).toBe('split-view'));
    await bob.gossip.tell();
    await vi.waitFor(() => expect([alice.evidence?.kind, carol.evidence?.kind]).toEqual(['split-view', 'split-view']));
  });

  it('accuses nobody for what strangers send, however much of it', async () => {
    await using board = await LyingBoard.start();
    await using other = await LyingBoard.start('board.test/other');
    board.show('a', [announcement('one')]);
    const channel = aRoom();
    const stranger = channel();
    await using alice = await aReader(board, 'a', channel());
    await alice.refresh();
    const note = other.show('x', [announcement('two', 'board.test/other')]).note();
    const evidence = new TextEncoder().encode('{"format":"pulsemesh/board-evidence/1"}');
    await stranger.send(Uint8Array.of(1, ...note));
    await stranger.send(Uint8Array.of(2, ...evidence));
    await stranger.send(Uint8Array.of(3, 3));
    await stranger.send(Uint8Array.of(1));
    await stranger.send(new Uint8Array(gossipLimits.messageBytesMax + 1));
    await vi.waitFor(() =>
      expect(alice.gossip.refusals).toEqual({ size: 2, flood: 0, kind: 1, 'not-ours': 1, evidence: 1 }),
    );
    for (let count = 0; count < gossipLimits.messagesPerPeriodMax; count += 1) await stranger.send(Uint8Array.of(3, 3));
    expect(alice.gossip.refusals.flood).toBe(3);
    expect(alice.evidence).toBeNull();
  });
});
