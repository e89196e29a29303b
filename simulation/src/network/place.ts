import type { Message } from '@pulsemesh/overlay/protocol';
import type { PeerId } from '@pulsemesh/wire';
import type { Link } from './link.ts';
import type { SimulatedNode } from './node.ts';

/** A machine in a simulated network, and what runs on it. Written by the world and its links only. */
export interface Place {
  readonly index: number;
  readonly peer: PeerId;
  node: SimulatedNode;
  isUp: boolean;
  /** Whether a dial that finds nobody is refused at once, as by a living machine whose process died. */
  answersDials: boolean;
  /** Can be dialled; a client behind a firewall cannot, and reaches others only. */
  readonly isDialable: boolean;
  /** Holds back nothing: its behaviour is its own, and no promise is checked on it. */
  readonly isByzantine: boolean;
  /** How far its clock is ahead of the world's, whole milliseconds. */
  readonly skewMs: number;
  /** The side of a partition it is on, 0 … 255. */
  group: number;
  /** How often it went down: what belongs to an earlier life is void. */
  life: number;
  readonly linksMax: number;
  readonly links: Map<number, Link>;
  readonly dials: Map<number, Dial>;
  /** Dials that wait for room. */
  readonly parked: Map<number, Dial>;
  /** When the wake that counts is set, in the world's time. */
  wakeAtMs: number;
  /** The links it wants kept, remembered for a moment: numbers of places, most important first. */
  wanted: ReadonlySet<number>;
  wantedUntilMs: number;
  /** Until then, or until a connection goes, none can be let go for a new one. */
  fullUntilMs: number;
  /** Places that had no room for it, or let it go: none is asked again before its time only because it is wanted. */
  readonly holds: Map<number, Hold>;
}

/** How often in a row somebody had no room, and until when it is left alone; milliseconds of the world. */
export interface Hold {
  readonly count: number;
  readonly untilMs: number;
}

/** A connection being made, and what waits for it. */
export interface Dial {
  readonly waiting: Message[];
  /** How often the other end had no room. */
  refusals: number;
}
