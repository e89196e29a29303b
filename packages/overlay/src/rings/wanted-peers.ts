import type { PeerId } from '@pulsemesh/wire';
import type { TopicRing } from './topic-ring.ts';

/** So many shortcuts a topic come before the others: enough for the random targets of an event to differ. */
const shortcutsFirst = 3;

/**
 * Where events are kept from us only a third of all is worth keeping, and at least so many: who keeps them back would hold all
 * links for good, and whoever could help finds no room. The others come and go with use.
 */
const wantedInTroubleMin = 8;

const levels = { next: 0, giver: 1, afterNext: 2, shortcut: 3, more: 4 } as const;

/**
 * Peers in the order in which their connections are worth keeping: the next on both sides of every ring, then `givers`,
 * who give events where others do not, then the ones after the next, then a few shortcuts of each topic, then the rest, of
 * which only those that are connected already, unless events are kept from us: whoever else an event is for gets a connection
 * then. Among equals those that serve more topics come first, since one order holds in all rings and one link serves several;
 * then those already connected.
 */
export function wantedPeersOf(
  rings: readonly TopicRing[],
  connections: ReadonlySet<PeerId>,
  givers: readonly PeerId[] | null = null,
): PeerId[] {
  const wanted = new Map<PeerId, number>();
  const want = (peer: PeerId, level: number) => {
    wanted.set(peer, Math.min(wanted.get(peer) ?? level, level));
  };
  for (const ring of rings) {
    for (const { successors, predecessors } of ring.shapes) {
      for (const side of [successors, predecessors]) {
        for (const [index, peer] of side.entries()) want(peer, index === 0 ? levels.next : levels.afterNext);
      }
    }
  }
  for (const peer of givers ?? []) want(peer, levels.giver);
  const topicCountOf = countTopics(rings);
  const rank = (peer: PeerId) => (topicCountOf.get(peer) ?? 0) * 2 + (connections.has(peer) ? 1 : 0);
  for (const ring of rings) {
    const shortcuts = ring.shortcuts.filter((member) => member.isProven).map((member) => member.peer);
    shortcuts.sort((one, other) => rank(other) - rank(one));
    for (const [index, peer] of shortcuts.entries()) {
      if (index < shortcutsFirst) want(peer, levels.shortcut);
      else if (givers !== null || connections.has(peer)) want(peer, levels.more);
    }
  }
  const sorted = [...wanted]
    .sort(([one, oneLevel], [other, otherLevel]) => oneLevel - otherLevel || rank(other) - rank(one))
    .map(([peer]) => peer);
  return givers === null ? sorted : sorted.slice(0, Math.max(wantedInTroubleMin, Math.ceil(sorted.length / 3)));
}

function countTopics(rings: readonly TopicRing[]): Map<PeerId, number> {
  const counts = new Map<PeerId, number>();
  for (const ring of rings) {
    for (const member of ring.members.values()) {
      if (member.isProven) counts.set(member.peer, (counts.get(member.peer) ?? 0) + 1);
    }
  }
  return counts;
}
