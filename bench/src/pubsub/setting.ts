import type { Attack } from '@pulsemesh/simulation';

/** Who carries the messages: ours, gossipsub as it comes, and gossipsub at its best (see `simulation/src/gossipsub/host.ts`). */
export type Protocol = 'upsycle' | 'upsycle-carry' | 'gossipsub' | 'gossipsub-best';

/** `tcp-plain`: loopback TCP without encryption, for networks in more than one process. */
export type Transport = 'tcp' | 'tcp-plain' | 'memory';

/** One network in a process of its own, and what is published in it. The same for each protocol. */
export interface Setting {
  readonly protocol: Protocol;
  readonly transport: Transport;
  readonly seed: number;
  readonly nodes: number;
  readonly topics: number;
  readonly topicsPerNode: number;
  /** Connections that a node is given at the beginning, on average, in one random graph for all protocols. */
  readonly degree: number;
  /** Connections that a node may hold. */
  readonly linksMax: number;
  readonly warmUpSeconds: number;
  /** Then for so much longer at most, until the process uses no more than a fifth of a core: connections are being made. */
  readonly settleSecondsMax?: number;
  /** Played before the idle time and the phases, and not counted: code that runs for the first time is slow, whoever's it is. */
  readonly runIn?: Phase;
  /** Time in which nothing is published: what that costs is subtracted. */
  readonly idleSeconds: number;
  readonly phases: readonly Phase[];
  readonly attack?: Attack;
}

/** Messages of one size, at one pace. */
export interface Phase {
  readonly name: string;
  readonly payloadBytes: number;
  /** In all; left out: one after the other as fast as they are taken. */
  readonly messagesPerSecond?: number;
  readonly messages: number;
}

/** What came of a phase, by metric. */
export type Figures = Readonly<Record<string, number>>;

/** Figures by name of phase; those of the network as a whole under `network`. */
export type Outcome = Readonly<Record<string, Figures>>;

/** A network that several protocols play, one after the other. */
export interface Case {
  /** What figures are called after. */
  readonly name: string;
  readonly conditions: string;
  readonly protocols: readonly Protocol[];
  readonly setting: Omit<Setting, 'protocol'>;
}

/** Units of the metrics. */
export const units: Readonly<Record<string, string>> = {
  'delivery ratio': 'share',
  p50: 'ms',
  p95: 'ms',
  p99: 'ms',
  'copies per delivery': 'messages',
  'pubsub bytes per useful byte': 'bytes',
  'socket bytes per useful byte': 'bytes',
  'CPU per 1,000 deliveries': 's',
  'deliveries per second': '1/s',
  'memory per node': 'MiB',
  'links per node': 'links',
  'links of one node at most': 'links',
  'idle CPU per node': 'share of a core',
  'idle pubsub bytes per node': 'B/s',
  'attacked deliveries': 'share',
  'victim served': 'share',
  'victim heard': 'share',
};
