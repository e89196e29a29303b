import { assert, type Random } from '@pulsemesh/base';

/** Who reads and publishes what: the same description runs over our overlay and over gossipsub. */
export interface Workload {
  /** Honest nodes. */
  readonly nodes: number;
  readonly topics: number;
  /** Each node reads so many, drawn at random. */
  readonly topicsPerNode: number;
  /** So many of the nodes publish; each message is by one of them at random, on one of its topics. */
  readonly publishers: number;
  /** Of all publishers together. */
  readonly messagesPerSecond: number;
  /** At least {@link payloadBytesMin}. */
  readonly payloadBytes: number;
  /** Time to find each other, before the first message. */
  readonly warmUpSeconds: number;
  readonly publishSeconds: number;
  /** Time after the last message in which it may still arrive. */
  readonly coolDownSeconds: number;
  /** Connections a node holds at most (ours), or is given in a random graph (gossipsub). */
  readonly linksMax: number;
  readonly attack?: Attack;
}

/** The attacks of gossipsub's evaluation (Vyzovitis et al. 2020, arXiv 2007.02754, §5; libp2p/gossipsub-hardening). */
export type AttackKind =
  /** Sybils crowd around one honest node and give it nothing. */
  | 'eclipse'
  /** Sybils carry everything but the messages of one publisher. */
  | 'censor'
  /** Sybils come up together with the honest nodes, and carry nothing. */
  | 'cold-boot'
  /** Sybils behave well, then all stop to carry at once. */
  | 'flash'
  /** Sybils take part in everything but carry no message. */
  | 'silent';

export interface Attack {
  readonly kind: AttackKind;
  readonly sybils: number;
  /** When it begins, seconds since the start; sybils of `eclipse`, `censor` and `silent` come up then. */
  readonly atSeconds: number;
}

/** Room for the number by which a message is known at the other end. */
export const payloadBytesMin = 8;

/** What a workload amounts to: drawn once, played by any runner. */
export interface WorkloadPlan {
  /** The topics of each node, numbers below {@link Workload.topics}. */
  readonly topicsOf: readonly (readonly number[])[];
  /** The readers of each topic. */
  readonly readersOf: readonly (readonly number[])[];
  /** In the order of their times; a message goes by its place in the list. */
  readonly publications: readonly Publication[];
  readonly untilMs: number;
}

export interface Publication {
  readonly atMs: number;
  readonly node: number;
  readonly topic: number;
}

/** A run publishes no more than this. */
const publicationsMax = 200_000;

/** Draws who reads what, and who publishes when. */
export function planWorkload(workload: Workload, random: Random): WorkloadPlan {
  const { nodes, topics, topicsPerNode, publishers, messagesPerSecond, publishSeconds, warmUpSeconds } = workload;
  assert(topicsPerNode <= topics && publishers <= nodes, 'a node reads no more topics than there are');
  assert(workload.payloadBytes >= payloadBytesMin, 'a message holds its number');
  const count = Math.round(messagesPerSecond * publishSeconds);
  assert(count <= publicationsMax, 'a run publishes at most 200,000 messages');
  const all = Array.from({ length: topics }, (_, topic) => topic);
  const topicsOf = Array.from({ length: nodes }, () => {
    return topicsPerNode === topics ? all : random.shuffle(all).slice(0, topicsPerNode);
  });
  const readersOf: number[][] = all.map(() => []);
  topicsOf.forEach((mine, node) => {
    for (const topic of mine) readersOf[topic]?.push(node);
  });
  const publishing = random.shuffle(topicsOf.map((_, node) => node)).slice(0, publishers);
  const publications = Array.from({ length: count }, (_, number): Publication => {
    const node = publishing[random.integer(publishers)] as number; // below the length
    const mine = topicsOf[node] as readonly number[]; // a node of ours
    const topic = mine[random.integer(mine.length)] as number; // below the length
    return { atMs: 1_000 * warmUpSeconds + (1_000 * (number + random.float())) / messagesPerSecond, node, topic };
  });
  const untilMs = 1_000 * (warmUpSeconds + publishSeconds + workload.coolDownSeconds);
  return { topicsOf, readersOf, publications, untilMs };
}

/** Whom attackers are after, where it is somebody: the one who is eclipsed, the one whose messages are censored. */
export const victims = {
  eclipsed: () => 0,
  censored: (plan: WorkloadPlan) => plan.publications[0]?.node ?? 0,
} as const;

/** The name of a topic of a plan. */
export function topicNameOf(topic: number): string {
  return `topic-${topic}`;
}

/** A message's bytes: its number, then filling. */
export function payloadOf(number: number, payloadBytes: number): Uint8Array {
  const bytes = new Uint8Array(payloadBytes).fill(0x5a);
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
}

/** The number of a message, or undefined for what no plan made. */
export function numberOf(payload: Uint8Array): number | undefined {
  if (payload.length < payloadBytesMin) return undefined;
  return new DataView(payload.buffer, payload.byteOffset).getUint32(0);
}
