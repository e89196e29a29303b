import type { Random } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import { keyOfBytes, readEventHead } from '../events/event.ts';
import type { EventMessage } from '../message.ts';
import type { DeliveredEvent, NodeOutput } from '../overlay-node-types.ts';
import type { Publication } from '../rings/dissemination.ts';
import type { Topic } from '../topic.ts';

/** Which local networks a node's peers are on. */
export interface Links {
  /** The local network of a connected peer; undefined: it is farther away. */
  linkOf(peer: PeerId): string | undefined;
  /** Peers of a local network that say to have links beyond it. */
  beyond(link: string): readonly PeerId[];
}

/** How events are carried between networks. */
export const bridgeLimits = {
  /** Who is not the first to carry an event waits so long for a copy from the other side, milliseconds (D0). */
  waitMs: 1_000,
  /** Members of a side that get an event: two, lest one is just leaving. */
  fanOut: 2,
  /** Events that wait; past it they are left to the others. */
  waitingMax: 256,
  /** How old the knowledge of who is where may be, milliseconds. */
  sidesMs: 2_000,
} as const;

/** An event on its way. */
interface CarriedEvent {
  readonly topic: Topic;
  /** 32 bytes. */
  readonly id: Uint8Array;
  readonly bytes: Uint8Array;
  readonly hops: number;
  /** Who handed it to us; null: it was published here. */
  readonly from: PeerId | null;
}

/** A side: a local network, or what is farther away. */
type Side = string;
const far: Side = '';

interface Waiting {
  readonly event: CarriedEvent;
  readonly key: string;
  readonly side: Side;
  readonly atMs: number;
}

/**
 * Carries events between local networks and the rest where this node is on both and others are not (spec overlay §11). Rings
 * do it by themselves where a bridge's neighbours happen to be on either side, and by what neighbours tell each other every
 * few seconds; this makes it certain and at once. Of several bridges the one with the lowest id does it, the others only
 * when no copy came from the other side meanwhile. Nothing is done where all members have links that lead out.
 */
export class BridgeDuty {
  readonly #self: PeerId;
  readonly #links: Links;
  readonly #random: Random;
  readonly #members: (topic: Topic) => readonly PeerId[];
  #sides = new Map<PeerId, Side>();
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  #waiting: Waiting[] = [];

  /** `members`: who is connected and proved to read a topic. */
  constructor(
    self: PeerId,
    dependencies: {
      readonly links: Links;
      readonly random: Random;
      readonly members: (topic: Topic) => readonly PeerId[];
    },
  ) {
    this.#self = self;
    this.#links = dependencies.links;
    this.#random = dependencies.random;
    this.#members = dependencies.members;
  }

  get dueAtMs(): number {
    return this.#waiting[0]?.atMs ?? Number.POSITIVE_INFINITY;
  }

  /** An event came, for which the rings did `outputs`; what else is to be done. One that waits for its judge goes nowhere. */
  received(from: PeerId, { bytes }: EventMessage, outputs: readonly NodeOutput[], isHeld: boolean, nowMs: number) {
    const delivered = outputs.find((output) => output.kind === 'deliver');
    if (delivered === undefined) {
      this.#copied(from, bytes, nowMs);
      return [];
    }
    const { topic, id, hops } = delivered.event;
    return isHeld ? [] : this.#onEvent({ topic, id, bytes, hops, from }, outputs, nowMs);
  }

  /** An event that waited was accepted, and the rings sent it on with `outputs`. */
  accepted({ topic, id, hops, from }: DeliveredEvent, outputs: readonly NodeOutput[], nowMs: number): NodeOutput[] {
    const bytes = eventsSent(outputs)[0]?.bytes;
    return bytes === undefined ? [] : this.#onEvent({ topic, id, bytes, hops, from }, outputs, nowMs);
  }

  /** An event was published here, and the rings sent it on with `outputs`. */
  published(topic: Topic, { id, bytes, outputs }: Publication, nowMs: number): NodeOutput[] {
    return this.#onEvent({ topic, id, bytes, hops: 0, from: null }, outputs, nowMs);
  }

  #onEvent(event: CarriedEvent, outputs: readonly NodeOutput[], nowMs: number): NodeOutput[] {
    const { topic, from } = event;
    const sentTo = new Set(eventsSent(outputs).map(({ to }) => to));
    const members = this.#members(topic);
    const bySide = new Map<Side, PeerId[]>();
    for (const peer of members) {
      const side = this.#sideOf(peer, nowMs);
      bySide.set(side, [...(bySide.get(side) ?? []), peer]);
    }
    const came = from === null ? null : this.#sideOf(from, nowMs);
    const carried: NodeOutput[] = [];
    for (const [side, peers] of bySide) {
      if (side === came || (bySide.size === 1 && came === null)) continue;
      if (peers.some((peer) => sentTo.has(peer)) || !this.#isNeeded(came, side, bySide)) continue;
      if (came === null || this.#isFirst(came === far ? side : came)) carried.push(...this.#carry(event, peers));
      else if (this.#waiting.length < bridgeLimits.waitingMax) {
        this.#waiting.push({ event, key: keyOfBytes(event.id), side, atMs: nowMs + bridgeLimits.waitMs });
      }
    }
    return carried;
  }

  /** Carries what nobody else did. */
  wake(nowMs: number): NodeOutput[] {
    const due = this.#waiting.filter(({ atMs }) => atMs <= nowMs);
    if (due.length === 0) return [];
    this.#waiting = this.#waiting.filter(({ atMs }) => atMs > nowMs);
    return due.flatMap(({ event, side }) => {
      const peers = this.#members(event.topic).filter((peer) => this.#sideOf(peer, nowMs) === side);
      return this.#carry(event, peers);
    });
  }

  /** A copy of an event that waits came: where from the other side, somebody has carried it. */
  #copied(from: PeerId, bytes: Uint8Array, nowMs: number): void {
    const head = this.#waiting.length === 0 ? null : readEventHead(bytes);
    if (head === null) return;
    const side = this.#sideOf(from, nowMs);
    this.#waiting = this.#waiting.filter((one) => one.key !== head.key || one.side !== side);
  }

  #carry({ bytes, hops }: CarriedEvent, peers: readonly PeerId[]): NodeOutput[] {
    const targets = this.#random.shuffle(peers).slice(0, bridgeLimits.fanOut);
    return targets.map((to) => ({ kind: 'send', to, message: { kind: 'event', bytes, hops } }));
  }

  /** Whether one of the two sides is a local network with a member that has no links out of it. */
  #isNeeded(came: Side | null, side: Side, bySide: ReadonlyMap<Side, readonly PeerId[]>): boolean {
    return [came, side].some((one) => {
      if (one === null || one === far) return false;
      const beyond = new Set(this.#links.beyond(one));
      return bySide.get(one)?.some((peer) => !beyond.has(peer)) === true;
    });
  }

  #isFirst(link: Side): boolean {
    return this.#links.beyond(link).every((peer) => this.#self <= peer);
  }

  #sideOf(peer: PeerId, nowMs: number): Side {
    if (Math.abs(nowMs - this.#lookedAtMs) >= bridgeLimits.sidesMs) {
      this.#sides = new Map(); // as many as are connected
      this.#lookedAtMs = nowMs;
    }
    const known = this.#sides.get(peer);
    if (known !== undefined) return known;
    const side = this.#links.linkOf(peer) ?? far;
    this.#sides.set(peer, side);
    return side;
  }
}

function eventsSent(outputs: readonly NodeOutput[]): { readonly to: PeerId; readonly bytes: Uint8Array }[] {
  return outputs.flatMap((output) =>
    output.kind === 'send' && output.message.kind === 'event' ? [{ to: output.to, bytes: output.message.bytes }] : [],
  );
}
