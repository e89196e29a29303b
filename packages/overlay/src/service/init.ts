import {
  type Clock,
  createSystemClock,
  createSystemRandom,
  type Logger,
  type Meter,
  type Random,
} from '@pulsemesh/base';
import type { LanMode, LocalNetworkOptions } from '../lan/local-network.ts';
import type { SetIntersection } from '../lan/set-intersection.ts';
import type { EventClass } from '../overlay-node-types.ts';
import type { Trust } from '../trust.ts';
import type { Message } from './pub-sub.ts';

/** What is special about one topic. */
export interface TopicSettings {
  /** 32 bytes shared by invitation: makes the topic private. Without it whoever knows the name can read and join. */
  readonly secret?: Uint8Array;
  /**
   * True: the topic is kept out of the interest filter, and looked for without any hint. Slower to join. Without a secret it hides
   * little: whoever knows the name can ask on the topic's ring who reads it.
   */
  readonly sensitive?: boolean;
  /** How wide its events spread unless `publish` says otherwise; default `normal`. */
  readonly class?: EventClass;
}

/** Options of the service. Those of gossipsub have its names and defaults; the rest is the overlay's own. */
export interface UpsycleInit {
  /** Give back what this node publishes to topics of its own. Default false. */
  emitSelf?: boolean;
  /** Publishing where nobody else is known to read resolves with no recipients, instead of rejecting. Default false. */
  allowPublishToZeroTopicPeers?: boolean;
  /** `StrictSign` (default): every event is signed and others are refused; `StrictNoSign`: none is. */
  globalSignaturePolicy?: 'StrictSign' | 'StrictNoSign';
  /** Accepted for gossipsub's sake and not called: an event's id is the SHA-256 of its bytes, and never twice the same. */
  msgIdFn?: (message: Message) => Uint8Array | Promise<Uint8Array>;
  /** Also over connections that are limited in bytes and time, as through circuit relays. Default false. */
  runOnLimitedConnection?: boolean;
  /** Streams of this protocol on one connection; defaults 4 and 2. */
  maxInboundStreams?: number;
  maxOutboundStreams?: number;
  /** When given, other topics can be neither subscribed nor published to. */
  allowedTopics?: readonly string[] | ReadonlySet<string>;
  /** Bytes of one message's data, in and out: 1 … 1 MiB - 256, the default. */
  maxInboundDataLength?: number;
  /** Bytes that wait for one peer; default 4 MiB. Above it the oldest gossip is dropped, then the oldest event. */
  maxOutboundBufferSize?: number;

  /** Secrets and other settings of topics by name. */
  topics?: Readonly<Record<string, TopicSettings>>;
  /** The secret of a topic that `topics` does not name. */
  secretOf?: (topic: string) => Uint8Array | undefined;
  /**
   * The privacy parameter ε of one interest filter, 0.25 … 20, default 3: how much more likely this node's filter is with a
   * topic in it than without. At 3 an observer's odds about one topic grow at most twentyfold, at 2 sevenfold, at 1 not
   * quite threefold; smaller hides more and finds neighbours of like interest less well.
   */
  epsilon?: number;
  /** 32 bytes that the noise comes from; they must outlive restarts. Default: derived from the node's key. */
  deviceSecret?: Uint8Array;
  /**
   * Keeps what was told of this node's interests, some hundred bytes, so that the privacy budget outlives restarts. `load`
   * gives what was last saved. Without it a restart forgets what was spent; the noise stays the same all the same.
   */
  interestState?: { load(): Uint8Array | undefined; save(state: Uint8Array): void };
  /** Connections the overlay keeps, 8 … 1,000; default 48. */
  linksMax?: number;
  /** Carry sealed events of topics of others where asked to. Costs traffic and memory, helps with few links. Default false. */
  carry?: boolean;
  /**
   * Finds peers of the same local network by UDP multicast, also where no other network is: `announce` says hello, which
   * nodes that are always on should do; `listen` only hears and dials those who do, as befits a person's device; `off` is the
   * default. An object sets more, as the secret of a site whose nodes meet nobody else.
   */
  lan?: LanMode | 'off' | LocalNetworkOptions;
  /** Finds topics in common with peers of the local network; there is none yet, and nothing uses it. */
  setIntersection?: SetIntersection;
  /** Whom this node trusts. Default: nobody in particular. */
  trust?: Trust;
  /** Defaults: the system's; the logger and the metrics that libp2p was given. */
  clock?: Clock;
  random?: Random;
  logger?: Logger;
  meter?: Meter;
}

/** What holds where {@link UpsycleInit} says nothing. */
export const upsycleDefaults = {
  globalSignaturePolicy: 'StrictSign',
  maxInboundStreams: 4,
  maxOutboundStreams: 2,
  maxOutboundBufferSize: 4 * 1024 * 1024,
  epsilon: 3,
  linksMax: 48,
} as const;

/** The settings of a topic: those written down, and the secret found by asking. */
export function topicSettings(init: UpsycleInit, name: string): TopicSettings {
  const settings = Object.hasOwn(init.topics ?? {}, name) ? (init.topics?.[name] ?? {}) : {};
  if (settings.secret !== undefined) return settings;
  const secret = init.secretOf?.(name);
  return secret === undefined ? settings : { ...settings, secret };
}

/** How the node behaves on local networks; null: it leaves them alone. */
export function lanOptions({ lan = 'off' }: UpsycleInit): LocalNetworkOptions | null {
  if (lan === 'off') return null;
  return typeof lan === 'string' ? { mode: lan } : lan;
}

/** Time and chance of a service that was given none. */
export function systemDefaults(init: UpsycleInit): { readonly clock: Clock; readonly random: Random } {
  return { clock: init.clock ?? createSystemClock(), random: init.random ?? createSystemRandom() };
}
