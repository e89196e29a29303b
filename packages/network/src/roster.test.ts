import { createSeededRandom } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Announcement } from './announcement.ts';
import { defaultRoster, Roster } from './roster.ts';

const self = 'self' as PeerId;
const peer = 'peer' as PeerId;

function announcement(over: Partial<Announcement> = {}): Announcement {
  return {
    roles: ['storage'],
    addresses: ['/ip4/127.0.0.1/tcp/4001'],
    pid: 1,
    startedMs: 1000,
    isSuccessor: false,
    isLeaving: false,
    ...over,
  };
}

function createRoster(isTrusted: (peer: PeerId) => boolean = () => true): Roster {
  const roster = new Roster(self, defaultRoster, { random: createSeededRandom(1), isTrusted });
  roster.setSelf(announcement({ roles: ['ingest'] }));
  return roster;
}

const idsOf = (roster: Roster) => roster.livePeers().map((each) => each.id);

/** Ticks as the driver does, so that no tick looks like a pause of our own. */
function pass(roster: Roster, fromMs: number, untilMs: number) {
  const actions = [];
  for (let nowMs = fromMs; nowMs <= untilMs; nowMs += 250) actions.push(...roster.tick(nowMs));
  return actions;
}

describe('the roster', () => {
  it('knows a peer that is connected and said who it is, and itself', () => {
    const roster = createRoster();
    roster.connected(peer, 0);
    expect(idsOf(roster)).toEqual([self]);
    roster.announced(peer, announcement(), 'directly', 1);
    expect(idsOf(roster)).toEqual([peer, self]);
    expect(roster.livePeers('storage').map((each) => each.id)).toEqual([peer]);
  });

  it('loses a killed peer with its connection, at once', () => {
    const roster = createRoster();
    roster.connected(peer, 0);
    roster.announced(peer, announcement(), 'directly', 1);
    roster.disconnected(peer, 2);
    expect(idsOf(roster)).toEqual([self]);
  });

  it('loses a hung peer, whose connection stays, within five seconds, and hangs up later', () => {
    const roster = createRoster();
    roster.connected(peer, 0);
    roster.announced(peer, announcement(), 'directly', 0);
    for (let nowMs = 0; nowMs <= 9_000; nowMs += 1_500) {
      roster.heard(peer, nowMs);
      roster.tick(nowMs);
    }
    pass(roster, 9_250, 13_250);
    expect(idsOf(roster)).toContain(peer);
    pass(roster, 13_500, 14_000);
    expect(idsOf(roster)).toEqual([self]);
    roster.heard(peer, 15_000);
    expect(idsOf(roster)).toContain(peer);
    expect(pass(roster, 15_250, 15_000 + defaultRoster.hangUpMs)).toContainEqual({ do: 'hang-up', peer });
  });

  it('loses a peer that says goodbye at once, whatever arrives late, until it starts again', () => {
    const roster = createRoster();
    roster.connected(peer, 0);
    roster.announced(peer, announcement(), 'directly', 0);
    roster.announced(peer, announcement({ isLeaving: true }), 'directly', 10);
    expect(idsOf(roster)).toEqual([self]);
    roster.heard(peer, 20);
    roster.announced(peer, announcement(), 'published', 30);
    expect(idsOf(roster)).toEqual([self]);
    roster.announced(peer, announcement({ startedMs: 2000, pid: 2 }), 'directly', 40);
    expect(roster.livePeers().find((each) => each.id === peer)?.pid).toBe(2);
    roster.announced(peer, announcement(), 'directly', 50);
    expect(roster.livePeers().find((each) => each.id === peer)?.pid).toBe(2);
  });

  it('does not believe an announcement that was on its way when the peer was lost', () => {
    const roster = createRoster();
    roster.connected(peer, 0);
    roster.announced(peer, announcement(), 'directly', 0);
    roster.disconnected(peer, 100);
    roster.announced(peer, announcement(), 'published', 200);
    expect(idsOf(roster)).toEqual([self]);
    roster.announced(peer, announcement(), 'published', 100 + defaultRoster.doubtMs);
    expect(idsOf(roster)).toContain(peer);
  });

  it('believes a published announcement for its time', () => {
    const roster = createRoster();
    roster.announced(peer, announcement(), 'published', 0);
    pass(roster, 0, defaultRoster.announcementMs - 250);
    expect(idsOf(roster)).toContain(peer);
    expect(roster.hasDistantPeers).toBe(true);
    pass(roster, defaultRoster.announcementMs, defaultRoster.announcementMs);
    expect(idsOf(roster)).toEqual([self]);
  });

  it('loses a peer that a caller could not reach until it is heard of', () => {
    const roster = createRoster();
    roster.connected(peer, 0);
    roster.announced(peer, announcement(), 'directly', 0);
    roster.report(peer, 'unreachable', 10);
    expect(idsOf(roster)).toEqual([self]);
    roster.report(peer, 'answered', 20);
    expect(idsOf(roster)).toContain(peer);
  });

  it('does not take its own pause for everybody’s silence', () => {
    const roster = createRoster();
    roster.connected(peer, 0);
    roster.announced(peer, announcement(), 'directly', 0);
    roster.tick(0);
    roster.tick(60_000);
    expect(idsOf(roster)).toContain(peer);
    pass(roster, 60_250, 65_000);
    expect(idsOf(roster)).toEqual([self]);
  });

  it('dials what it was told of, again with growing pauses, and forgets it in the end', () => {
    const roster = createRoster();
    roster.hinted({ id: peer, addresses: ['/ip4/127.0.0.1/tcp/1'], isSuccessor: false }, 0);
    const dials: number[] = [];
    for (let nowMs = 0; nowMs < 3 * defaultRoster.forgetMs; nowMs += 250) {
      for (const action of roster.tick(nowMs)) {
        dials.push(nowMs);
        roster.dialFailed(action.peer, nowMs);
      }
    }
    expect(dials[0]).toBeLessThanOrEqual(defaultRoster.yieldMs + 500);
    expect(dials.length).toBeLessThan(60);
    const last = dials.at(-1) ?? 0;
    expect(last).toBeGreaterThan(defaultRoster.forgetMs);
    expect(last).toBeLessThan(defaultRoster.forgetMs + 2 * defaultRoster.redialLastMs);
  });

  it('dials a peer that said it has no address where it was before', () => {
    const roster = createRoster();
    roster.pin({ id: peer, addresses: ['/p2p/relay/p2p-circuit'], isSuccessor: false }, 0);
    roster.connected(peer, 0);
    roster.announced(peer, announcement({ addresses: [] }), 'directly', 1);
    roster.disconnected(peer, 2);
    expect(pass(roster, 250, 1_000)).toContainEqual({ do: 'dial', peer, addresses: ['/p2p/relay/p2p-circuit'] });
  });

  it('dials at once again when a way has opened, but not who has left', () => {
    const roster = createRoster();
    const other = 'other' as PeerId;
    for (const id of [peer, other]) roster.hinted({ id, addresses: ['/a'], isSuccessor: false }, 0);
    roster.announced(other, announcement({ isLeaving: true }), 'directly', 0);
    for (let count = 0; count < 12; count += 1) roster.dialFailed(peer, 2_000);
    expect(pass(roster, 2_250, 10_000)).toEqual([]);
    roster.redialSoon(10_000);
    expect(pass(roster, 10_000, 10_500)).toEqual([{ do: 'dial', peer, addresses: ['/a'] }]);
  });

  it('never forgets what the configuration names', () => {
    const roster = createRoster();
    roster.pin({ id: peer, addresses: ['/ip4/127.0.0.1/tcp/1'], isSuccessor: false }, 0);
    let last = 0;
    for (let nowMs = 0; nowMs < 2 * defaultRoster.forgetMs; nowMs += 250) {
      for (const action of roster.tick(nowMs)) {
        last = nowMs;
        roster.dialFailed(action.peer, nowMs);
      }
    }
    expect(last).toBeGreaterThan(2 * defaultRoster.forgetMs - 2 * defaultRoster.redialLastMs);
  });

  it('keeps no more connections of its own accord than its limit, and remembers no more peers', () => {
    const roster = createRoster();
    const hint = (index: number) => ({ id: `hint ${index}` as PeerId, addresses: ['/x'], isSuccessor: false });
    for (let index = 0; index < 2 * defaultRoster.peersMax; index += 1) roster.hinted(hint(index), index);
    const dials = pass(roster, 5_000, 5_000);
    expect(dials).toHaveLength(defaultRoster.connectionsMax);
    for (let index = 0; index < defaultRoster.peersMax; index += 1)
      roster.announced(hint(index).id, announcement(), 'published', 1);
    expect(roster.livePeers().length).toBeLessThanOrEqual(defaultRoster.peersMax + 1);
  });

  it('gives only trusted peers for a role, but every bootstrap', () => {
    const roster = createRoster(() => false);
    roster.announced(peer, announcement({ roles: ['storage', 'bootstrap'] }), 'published', 0);
    expect(roster.livePeers('storage')).toEqual([]);
    expect(roster.livePeers('ingest').map((each) => each.id)).toEqual([self]);
    expect(roster.livePeers('bootstrap').map((each) => each.id)).toEqual([peer]);
    expect(idsOf(roster)).toEqual([peer, self]);
  });

  it('tells of a change exactly when the live peers changed, whatever happens', () => {
    const events = fc.array(
      fc.tuple(
        fc.constantFrom('connect', 'disconnect', 'announce', 'publish', 'leave', 'beat', 'bad', 'tick'),
        fc.nat(3),
        fc.nat(3000),
      ),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(events, (list) => {
        const roster = createRoster();
        let nowMs = 0;
        for (const [what, who, delayMs] of list) {
          const id = `peer ${who}` as PeerId;
          nowMs += delayMs;
          const before = { revision: roster.revision, peers: roster.livePeers() };
          if (what === 'connect') roster.connected(id, nowMs);
          if (what === 'disconnect') roster.disconnected(id, nowMs);
          if (what === 'announce') roster.announced(id, announcement({ startedMs: nowMs }), 'directly', nowMs);
          if (what === 'publish') roster.announced(id, announcement(), 'published', nowMs);
          if (what === 'leave')
            roster.announced(id, announcement({ startedMs: nowMs, isLeaving: true }), 'directly', nowMs);
          if (what === 'beat') roster.heard(id, nowMs);
          if (what === 'bad') roster.report(id, 'unreachable', nowMs);
          if (what === 'tick') roster.tick(nowMs);
          const isSame = JSON.stringify(before.peers) === JSON.stringify(roster.livePeers());
          expect(roster.revision === before.revision).toBe(isSame);
          expect(idsOf(roster)).toContain(self);
        }
      }),
    );
  });
});
