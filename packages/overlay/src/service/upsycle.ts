import { publicKeyFromRaw } from '@libp2p/crypto/keys';
import {
  type ComponentLogger,
  type PeerId as Libp2pPeerId,
  type Metrics,
  type PeerStore,
  type PrivateKey,
  type Startable,
  serviceCapabilities,
  serviceDependencies,
  TypedEventEmitter,
} from '@libp2p/interface';
import type { AddressManager, ConnectionManager, Registrar, TransportManager } from '@libp2p/interface-internal';
import { type Clock, type Logger, type Meter, type Random, silentMeter } from '@pulsemesh/base';
import { createSigner, hkdfSha256 } from '@pulsemesh/crypto';
import { ed25519KeyOf, equalBytes, type PeerId, toHex } from '@pulsemesh/wire';
import { EventTooLargeError, eventLimits, openEvent } from '../events/event.ts';
import type { Links } from '../lan/bridge-duty.ts';
import type { LocalNetwork, LocalNetworkOptions } from '../lan/local-network.ts';
import { OverlayNode } from '../node/overlay-node.ts';
import type { DeliveredEvent, Published } from '../overlay-node-types.ts';
import { ringsLimits } from '../rings/rings.ts';
import { createTopic, type Topic, topicNameLengthMax } from '../topic.ts';
import { descriptorAddresses } from './addresses.ts';
import { createServiceCounters, NodeReport, type ServiceCounters } from './counters.ts';
import { Driver } from './driver.ts';
import { KeyTypeError, NoSubscribersError, NotStartedError, TopicRefusedError } from './errors.ts';
import { FirstReaders } from './first-readers.ts';
import { lanOptions, systemDefaults, topicSettings, type UpsycleInit, upsycleDefaults } from './init.ts';
import { connectionsOf, startLocalNetwork } from './local.ts';
import { Names } from './names.ts';
import type { Message, PublishOptions, PubSub, PubSubEvents, TopicValidator } from './pub-sub.ts';
import { loggerOver, meterOver } from './telemetry.ts';
import { Validations, type Verdict } from './validations.ts';

/** The protocol that libp2p negotiates. */
export const upsycleProtocol = '/upsycle/1.0.0';

/** How often the node's counts are handed to the meter, milliseconds. */
const reportMs = 5_000;

/** What libp2p gives a service; gossipsub's, and two that are used where they are there. */
export interface UpsycleComponents {
  privateKey: PrivateKey;
  peerId: Libp2pPeerId;
  peerStore: PeerStore;
  registrar: Registrar;
  connectionManager: ConnectionManager;
  logger: ComponentLogger;
  addressManager?: AddressManager;
  transportManager?: TransportManager;
  metrics?: Metrics;
}

/**
 * Publish/subscribe over UPSYCLE's overlay as a libp2p service with gossipsub's shape: `services: { pubsub: upsycle() }`.
 * libp2p starts and stops it.
 * @throws {KeyTypeError} from what is returned, when the node's key is not Ed25519.
 */
export function upsycle(init: UpsycleInit = {}): (components: UpsycleComponents) => PubSub {
  return (components) => new Upsycle(components, init);
}

interface Running {
  readonly node: OverlayNode;
  readonly driver: Driver;
  readonly firstReaders: FirstReaders;
}

class Upsycle extends TypedEventEmitter<PubSubEvents> implements PubSub, Startable {
  readonly [Symbol.toStringTag] = '@pulsemesh/overlay';
  readonly [serviceCapabilities]: string[] = ['@libp2p/pubsub'];
  readonly [serviceDependencies]: string[] = ['@libp2p/identify'];
  readonly globalSignaturePolicy: 'StrictSign' | 'StrictNoSign';
  readonly protocols: string[] = [upsycleProtocol];
  readonly topicValidators = new Map<string, TopicValidator>();
  readonly #init: UpsycleInit;
  readonly #components: UpsycleComponents;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #logger: Logger;
  readonly #meter: Meter;
  readonly #count: ServiceCounters;
  readonly #names = new Names();
  readonly #validations = new Validations();
  readonly #dataBytesMax: number;
  readonly #allowedTopics: ReadonlySet<string> | undefined;
  readonly #topics = new Map<string, Topic>();
  #keptInterest: Uint8Array | undefined;
  #reportedMs = Number.NEGATIVE_INFINITY;
  #local: LocalNetwork | undefined;
  #running: Running | undefined;

  constructor(components: UpsycleComponents, init: UpsycleInit) {
    super();
    if (components.privateKey.type !== 'Ed25519') throw new KeyTypeError(components.privateKey.type);
    this.#init = init;
    this.#components = components;
    const { clock, random } = systemDefaults(init);
    this.#clock = clock;
    this.#random = random;
    this.#logger = init.logger ?? loggerOver(components.logger);
    this.#meter = init.meter ?? (components.metrics === undefined ? silentMeter : meterOver(components.metrics));
    this.#count = createServiceCounters(this.#meter);
    this.globalSignaturePolicy = init.globalSignaturePolicy ?? upsycleDefaults.globalSignaturePolicy;
    this.#dataBytesMax = Math.min(init.maxInboundDataLength ?? eventLimits.dataBytesMax, eventLimits.dataBytesMax);
    this.#allowedTopics = init.allowedTopics === undefined ? undefined : new Set(init.allowedTopics);
  }

  isStarted(): boolean {
    return this.#running !== undefined;
  }

  async start(): Promise<void> {
    if (this.#running !== undefined) return;
    const node = this.#createNode();
    const driver = this.#createDriver(node);
    this.#running = { node, driver, firstReaders: this.#createFirstReaders(node, driver) };
    await driver.start();
  }

  /** The transports listen now, so that there are addresses to tell. */
  async afterStart(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    running.driver.addressesChanged();
    const lan = lanOptions(this.#init);
    if (lan !== null) await this.#startLocal(lan, running.node);
  }

  /** Says good-bye on every ring while there are streams to say it on. */
  async beforeStop(): Promise<void> {
    for (const topic of this.getTopics()) this.unsubscribe(topic);
    await Promise.resolve(); // what was said in this turn is handed to the streams at its end
  }

  async stop(): Promise<void> {
    const running = this.#running;
    const local = this.#local;
    this.#running = undefined;
    this.#local = undefined;
    this.#topics.clear();
    running?.firstReaders.stop();
    try {
      await local?.[Symbol.asyncDispose]();
    } finally {
      await running?.driver.stop();
    }
  }

  getPeers(): Libp2pPeerId[] {
    return (this.#running?.driver.connected() ?? []).map((peer) => this.#names.of(peer));
  }

  getTopics(): string[] {
    return [...this.#topics.keys()];
  }

  getSubscribers(topic: string): Libp2pPeerId[] {
    const subscribed = this.#topics.get(topic); // there is none while the service does not run
    const peers = subscribed === undefined ? [] : (this.#running?.node.subscribersOf(subscribed) ?? []);
    return peers.map((peer) => this.#names.of(peer));
  }

  subscribe(topic: string): void {
    const { node, driver } = this.#assertRunning();
    if (this.#topics.has(topic)) return;
    if (this.#topics.size >= ringsLimits.topicsMax) throw new TopicRefusedError('too-many');
    const made = this.#topicOf(topic);
    this.#topics.set(topic, made);
    const { sensitive = false } = topicSettings(this.#init, topic);
    driver.run((nowMs) => node.subscribe(made, { sensitive }, nowMs));
  }

  unsubscribe(topic: string): void {
    const { node, driver } = this.#assertRunning();
    const subscribed = this.#topics.get(topic);
    if (subscribed === undefined) return;
    this.#topics.delete(topic);
    driver.run((nowMs) => node.unsubscribe(subscribed, nowMs));
  }

  async publish(
    topic: string,
    data: Uint8Array = new Uint8Array(0),
    options: PublishOptions = {},
  ): Promise<{ recipients: Libp2pPeerId[] }> {
    const { node, driver, firstReaders } = this.#assertRunning();
    if (data.byteLength > this.#dataBytesMax) throw new EventTooLargeError(data.byteLength);
    const made = this.#topics.get(topic) ?? this.#topicOf(topic);
    const emitsSelf = this.#init.emitSelf === true && this.#topics.has(topic);
    const mayBeAlone = options.allowPublishToZeroTopicPeers ?? this.#init.allowPublishToZeroTopicPeers ?? false;
    if (!mayBeAlone && !emitsSelf && !(await firstReaders.find(made))) {
      throw this.#running?.node === node ? new NoSubscribersError() : new NotStartedError();
    }
    const settings = topicSettings(this.#init, topic);
    const how = { class: options.class ?? settings.class ?? 'normal', sensitive: settings.sensitive === true };
    let published: Published | undefined;
    driver.run((nowMs) => {
      published = node.publish(made, data, how, nowMs);
      return published.outputs;
    });
    if (published === undefined) throw new NotStartedError();
    this.#count.published.add();
    const recipients = published.recipients.map((peer) => this.#names.of(peer));
    if (!emitsSelf) return { recipients };
    const own = openEvent(made, published.bytes, this.globalSignaturePolicy);
    if (own !== null) this.#emit(this.#messageOf({ ...own, topic: made }), this.#components.peerId, published.id);
    return { recipients: [...recipients, this.#components.peerId] };
  }

  async #startLocal(options: LocalNetworkOptions, node: OverlayNode): Promise<void> {
    const { connectionManager, addressManager, transportManager, privateKey } = this.#components;
    const { setIntersection } = this.#init;
    this.#local = await startLocalNetwork(options, {
      connectionManager,
      addressManager,
      transportManager,
      self: node.self,
      signer: createSigner(seedOf(privateKey)),
      clock: this.#clock,
      random: this.#random,
      logger: this.#logger,
      meter: this.#meter,
      ...(setIntersection === undefined ? {} : { setIntersection }),
    });
  }

  #links(): Links {
    return {
      linkOf: (peer) => this.#linkOf(peer),
      beyond: (link) => this.#local?.beyond(link) ?? [],
    };
  }

  /** The interface on whose network a connected peer is; none where it is farther away. */
  #linkOf(peer: PeerId): string | undefined {
    if (this.#local === undefined) return undefined;
    for (const { remoteAddress } of connectionsOf(this.#components.connectionManager, peer)) {
      const link = this.#local.linkOf(remoteAddress);
      if (link !== undefined) return link;
    }
    return undefined;
  }

  #createNode(): OverlayNode {
    const { epsilon, linksMax, carry, trust, deviceSecret } = this.#init;
    const interestState = this.#init.interestState?.load();
    const seed = seedOf(this.#components.privateKey);
    return new OverlayNode(
      {
        signer: createSigner(seed),
        addresses: this.#addresses(),
        deviceSecret: deviceSecret ?? hkdfSha256({ key: seed, info: 'upsycle/device-secret/1', length: 32 }),
        epsilon: epsilon ?? upsycleDefaults.epsilon,
        ...(interestState === undefined ? {} : { interestState }),
        linksMax: this.#linksMax(linksMax),
        signaturePolicy: this.globalSignaturePolicy,
        carry: carry ?? false,
        mustValidate: (topic) => this.#mustValidate(topic.name),
      },
      {
        random: this.#random,
        ...(trust === undefined ? {} : { trust }),
        ...(lanOptions(this.#init) === null ? {} : { links: this.#links() }),
      },
    );
  }

  /** Never more than libp2p itself lets stand. */
  #linksMax(linksMax: number = upsycleDefaults.linksMax): number {
    return Math.min(linksMax, this.#components.connectionManager.getMaxConnections());
  }

  #createFirstReaders(node: OverlayNode, driver: Driver): FirstReaders {
    return new FirstReaders({
      clock: this.#clock,
      isKnown: (topic) => node.knowsSubscribers(topic),
      search: (topic) => {
        const { sensitive = false } = topicSettings(this.#init, topic.name);
        driver.run((nowMs) => node.lookFor(topic, { sensitive }, nowMs)); // nothing where a search is under way
      },
    });
  }

  #createDriver(node: OverlayNode): Driver {
    const report = new NodeReport(this.#meter);
    const { maxInboundStreams, maxOutboundStreams, maxOutboundBufferSize, linksMax } = {
      ...upsycleDefaults,
      ...this.#init,
    };
    return new Driver(
      node,
      {
        protocol: upsycleProtocol,
        linksMax: this.#linksMax(linksMax),
        outboundBytesMax: maxOutboundBufferSize,
        maxInboundStreams,
        maxOutboundStreams,
        runOnLimitedConnection: this.#init.runOnLimitedConnection ?? false,
      },
      {
        registrar: this.#components.registrar,
        connectionManager: this.#components.connectionManager,
        peerStore: this.#components.peerStore,
        clock: this.#clock,
        random: this.#random,
        logger: this.#logger,
        count: this.#count,
        addresses: () => this.#addresses(),
        onEvent: (event) => this.#received(event),
        onSubscription: (peer, topic, isSubscribed) => this.#subscriptionChanged(peer, topic, isSubscribed),
        onWake: () => this.#woken(node, report),
        isLocal: (peer) => this.#linkOf(peer) !== undefined,
        localAddressesOf: (peer) => this.#local?.addressesOf(peer) ?? [],
      },
    );
  }

  #woken(node: OverlayNode, report: NodeReport): void {
    this.safeDispatchEvent('gossipsub:heartbeat');
    this.#keepInterest(node);
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#reportedMs < reportMs) return;
    this.#reportedMs = nowMs;
    report.tell(node);
  }

  /** In the turn in which the node shows another filter: before its digest is sent, at the end of it. */
  #keepInterest(node: OverlayNode): void {
    const digest = node.descriptor.interestDigest;
    if (this.#init.interestState === undefined || digest === undefined) return;
    if (this.#keptInterest !== undefined && equalBytes(digest, this.#keptInterest)) return;
    this.#keptInterest = digest;
    this.#init.interestState.save(node.interestState());
  }

  #addresses(): string[] {
    return descriptorAddresses(this.#components.addressManager?.getAddresses() ?? []);
  }

  /** The node forwards what needs no judgement at once; the rest waits for it. */
  #mustValidate(topic: string): boolean {
    return this.topicValidators.has(topic) || this.#dataBytesMax < eventLimits.dataBytesMax;
  }

  #received(event: DeliveredEvent): void {
    const { name } = event.topic;
    const message = this.#messageOf(event);
    const from = this.#names.of(event.from);
    const judge = (verdict: Verdict | 'too-large') => this.#judged(event, message, from, verdict);
    const validator = this.topicValidators.get(name);
    if (event.data.byteLength > this.#dataBytesMax) judge('too-large');
    else if (validator === undefined) judge('accept');
    else this.#validations.ask(validator, from, message, judge);
  }

  #judged(event: DeliveredEvent, message: Message, from: Libp2pPeerId, verdict: Verdict | 'too-large'): void {
    const isAccepted = verdict === 'accept';
    // Also where the validator was taken away while it was asked: the event waits. One that does not is not sent again.
    this.#running?.driver.run((nowMs) => this.#running?.node.validated(event, isAccepted, nowMs) ?? []);
    if (!isAccepted) {
      this.#count.refused.add(1, { reason: verdict });
      return;
    }
    this.#count.delivered.add();
    // After the frames of this turn have left: a slow reader delays nobody but itself.
    queueMicrotask(() => this.#emit(message, from, event.id));
  }

  #emit(message: Message, propagationSource: Libp2pPeerId, id: Uint8Array): void {
    if (!this.#topics.has(message.topic)) return;
    const detail = { propagationSource, msgId: toHex(id), msg: message };
    this.safeDispatchEvent('gossipsub:message', { detail });
    this.safeDispatchEvent('message', { detail: message });
  }

  #subscriptionChanged(peer: PeerId, topic: Topic, isSubscribed: boolean): void {
    const peerId = this.#names.of(peer);
    const subscriptions = [{ topic: topic.name, subscribe: isSubscribed }];
    this.safeDispatchEvent('subscription-change', { detail: { peerId, subscriptions } });
    const detail = { peerId: peer, topic: topic.name, direction: 'outbound' as const };
    this.safeDispatchEvent(isSubscribed ? 'gossipsub:graft' : 'gossipsub:prune', { detail });
  }

  #messageOf({ author, data, topic: { name: topic } }: Pick<DeliveredEvent, 'author' | 'data' | 'topic'>): Message {
    if (author === undefined) return { type: 'unsigned', topic, data };
    const { peer, sequenceNumber, signature } = author;
    return { type: 'signed', topic, data, ...this.#authorOf(peer), sequenceNumber, signature };
  }

  #authorOf(peer: PeerId): { from: Libp2pPeerId; key: ReturnType<typeof publicKeyFromRaw> } {
    const from = this.#names.of(peer);
    // The key of an Ed25519 peer is in its id.
    return { from, key: from.publicKey ?? publicKeyFromRaw(ed25519KeyOf(peer) ?? new Uint8Array(32)) };
  }

  #topicOf(name: string): Topic {
    if (name.length === 0 || name.length > topicNameLengthMax) throw new TopicRefusedError('name');
    if (this.#allowedTopics?.has(name) === false) throw new TopicRefusedError('not-allowed');
    return createTopic(name, topicSettings(this.#init, name).secret);
  }

  #assertRunning(): Running {
    if (this.#running === undefined) throw new NotStartedError();
    return this.#running;
  }
}

/** libp2p's raw Ed25519 key is the seed, then the public key. */
function seedOf({ raw }: PrivateKey): Uint8Array {
  return raw.subarray(0, 32);
}
