import { createServer, type Server, type Socket } from 'node:net';
import {
  type Clock,
  Condition,
  errorCode,
  type Logger,
  type Meter,
  raceSignal,
  type WaitOptions,
} from '@pulsemesh/base';
import { Aedes, type Client, type PublishPacket, type Subscription } from 'aedes';
import { FrameGuard } from './frame-guard.ts';
import { refusalTopic } from './refusal-topic.ts';
import { createSessionPersistence, type IncomingIds } from './session-persistence.ts';

/** Limits of the broker. What a full one does stands beside it. */
export interface MqttLimits {
  /** Connections at once; more are closed. Default 4,000. */
  readonly clientsMax: number;
  /** One control packet; a longer one closes the connection before it is read. Default 16 KiB. */
  readonly packetBytesMax: number;
  /** QoS 2 messages of one client not yet released; more close its connection. Default 100. */
  readonly incomingIdsMax: number;
  /** From TCP accept to CONNECT; default 8,000 ms. */
  readonly connectTimeoutMs: number;
  /** Without a byte for so long a connection is closed, whatever its keep-alive says; default 15 minutes. */
  readonly idleTimeoutMs: number;
  /** Explanations sent to one client in a second; further refusals are counted only. Default 10. */
  readonly explanationsPerSecondMax: number;
}

export const defaultMqttLimits: MqttLimits = {
  clientsMax: 4_000,
  packetBytesMax: 16 * 1024,
  incomingIdsMax: 100,
  connectTimeoutMs: 8_000,
  idleTimeoutMs: 15 * 60_000,
  explanationsPerSecondMax: 10,
};

const clientIdCharactersMax = 128;
const plainClientId = /^[A-Za-z0-9_.:-]{1,128}$/;

/** Whose readings a connection may bring: anybody's, or those of the wearers its login names. */
export type AllowedUserIds = 'any' | ReadonlySet<string>;

export interface DeviceLogin {
  readonly clientId: string;
  readonly username: string | undefined;
  readonly password: Uint8Array | undefined;
}

/** One message of a device. */
export interface IncomingPublish {
  readonly clientId: string;
  readonly allowedUserIds: AllowedUserIds;
  readonly payload: Uint8Array;
  /** Set for QoS 2 only: to be made durable in one transaction with the message's effect. */
  readonly messageId: number | null;
}

/** Why a message was not taken; the device is told both. */
export interface Refusal {
  readonly code: string;
  readonly explanation: string;
}

/**
 * Takes a message and calls `settle` exactly once, later, never within the call: with null when its effect is
 * durable (it is then acknowledged), with a refusal when it cannot be taken (it is explained, and acknowledged too so
 * that it does not block the stream). While `settle` is not called the acknowledgement is withheld and
 * no more is read from the client: that is the back-pressure.
 */
export type OnPublish = (message: IncomingPublish, settle: (refusal: Refusal | null) => void) => void;

export interface MqttBrokerOptions {
  /** Address to listen on; default 127.0.0.1. */
  readonly host?: string;
  /** 0 (default): any free one. */
  readonly port?: number;
  readonly limits?: Partial<MqttLimits>;
}

export interface MqttBrokerDependencies {
  readonly onPublish: OnPublish;
  readonly ids: IncomingIds;
  /**
   * Says whose readings a connection may bring, or null to refuse it. Without: everybody may bring anybody's, which
   * is for one's own machine or network.
   */
  readonly authenticate?: ((login: DeviceLogin) => Promise<AllowedUserIds | null>) | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly meter: Meter;
}

/** A running broker. Dispose to stop: connections are closed, what was not acknowledged comes again. */
export interface MqttBroker extends AsyncDisposable {
  /** mqtt://host:port, for clients on this machine or network. */
  readonly url: string;
  readonly port: number;
  readonly clientCount: number;
}

/** The broker could not listen. */
export class MqttListenError extends Condition {
  override readonly name = 'MqttListenError';
  constructor(host: string, port: number, cause: unknown) {
    super('mqtt-listen', `cannot listen for devices on ${host} port ${port}: ${errorCode(cause)}`, {
      facts: { host, port },
      cause,
    });
  }
}

/**
 * Starts an MQTT 3.1.1 broker that devices publish to (aedes). Every topic is taken for a reading. Nobody can
 * subscribe to others' readings: the one subscription there is, is to one's own {@link refusalTopic}; any other,
 * `$share/…` included, is answered by SUBACK failure. Retained messages and wills have no effect. TLS is for a
 * terminating proxy in front of it.
 *
 * QoS 0 is taken as best effort, QoS 1 acknowledged once the effect is durable; QoS 2 is exactly once over crashes of
 * either side for clients that keep their session (clean false, a client id of their own).
 * @throws {MqttListenError}; `signal.reason`.
 */
export async function startMqttBroker(
  options: MqttBrokerOptions,
  dependencies: MqttBrokerDependencies,
  wait: WaitOptions = {},
): Promise<MqttBroker> {
  const broker = new Broker(options, dependencies);
  await raceSignal(broker.listen(), wait.signal);
  return broker;
}

interface ClientState {
  allowedUserIds: AllowedUserIds;
  isSubscribed: boolean;
  explainedSecond: number;
  explainedCount: number;
}

class Broker implements MqttBroker {
  readonly #options: MqttBrokerOptions;
  readonly #limits: MqttLimits;
  readonly #dependencies: MqttBrokerDependencies;
  readonly #aedes: Aedes;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #clients = new WeakMap<Client, ClientState>();
  /** QoS 2 messages refused and not yet released, by client: no effect to make durable, only ids to remember. */
  readonly #refusedIds = new Map<string, Set<number>>();
  readonly #closedCount;
  readonly #clientGauge;
  #stopping: Promise<void> | undefined;

  constructor(options: MqttBrokerOptions, dependencies: MqttBrokerDependencies) {
    this.#options = options;
    this.#limits = { ...defaultMqttLimits, ...options.limits };
    this.#dependencies = dependencies;
    const { meter } = dependencies;
    this.#closedCount = meter.counter('mqtt_connections_closed_total', 'Connections the broker ended', ['reason']);
    this.#clientGauge = meter.gauge('mqtt_connections', 'Open connections of devices');
    this.#aedes = new Aedes({
      connectTimeout: this.#limits.connectTimeoutMs,
      maxInflightInbound: this.#limits.incomingIdsMax,
      maxTopicLevels: 16,
      persistence: this.#persistence(),
      preConnect: (_client, packet, done) => {
        // A will would be published long after anybody measured it.
        delete packet.will;
        const isShort = packet.clientId.length <= clientIdCharactersMax;
        done(isShort ? null : new Condition('client-id-too-long', 'the client id is too long'), isShort);
      },
      authenticate: (client, username, password, done) => this.#authenticate(client, username, password, done),
      authorizePublish: (client, packet, done) => this.#authorizePublish(client, packet, done),
      authorizeSubscribe: (client, subscription, done) => this.#authorizeSubscribe(client, subscription, done),
    });
    // A reading goes to the hand-off log, to nobody through the broker: what aedes does after its acknowledgement
    // (routing, retaining, its own announcements) is left out.
    this.#aedes.publish = routeNowhere;
    this.#aedes.on('clientError', (_client, error) => this.#countClosed(error));
    this.#aedes.on('connectionError', (_client, error) => this.#countClosed(error));
    this.#aedes.on('clientDisconnect', (client) => this.#refusedIds.delete(client.id));
    this.#aedes.on('unsubscribe', (_topics, client) => {
      this.#stateOf(client).isSubscribed = false;
    });
    this.#server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
    this.#server.maxConnections = this.#limits.clientsMax;
    this.#server.on('drop', () => this.#closedCount.add(1, { reason: 'clients-max' }));
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  get url(): string {
    const host = this.#options.host ?? '127.0.0.1';
    return `mqtt://${host.includes(':') ? `[${host}]` : host}:${this.port}`;
  }

  get clientCount(): number {
    return this.#sockets.size;
  }

  async listen(): Promise<void> {
    await this.#aedes.listen();
    const host = this.#options.host ?? '127.0.0.1';
    const port = this.#options.port ?? 0;
    try {
      await new Promise<void>((resolve, reject) => {
        this.#server.once('error', reject);
        this.#server.listen({ host, port }, () => {
          this.#server.removeListener('error', reject);
          resolve();
        });
      });
    } catch (error) {
      await this[Symbol.asyncDispose]();
      throw new MqttListenError(host, port, error);
    }
    this.#server.on('error', (error) => {
      this.#dependencies.logger.warn('the device port reported an error', { code: errorCode(error) });
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all([
      new Promise<void>((resolve) => this.#aedes.close(() => resolve())),
      new Promise<void>((resolve) => this.#server.close(() => resolve())),
    ]);
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    this.#clientGauge.set(this.#sockets.size);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      this.#clientGauge.set(this.#sockets.size);
    });
    socket.setTimeout(this.#limits.idleTimeoutMs, () => {
      this.#closedCount.add(1, { reason: 'idle' });
      socket.destroy();
    });
    guardReads(socket, new FrameGuard(this.#limits.packetBytesMax));
    this.#aedes.handle(socket);
  }

  #persistence() {
    const { ids } = this.#dependencies;
    const refused = this.#refusedIds;
    return createSessionPersistence({
      ids: {
        has: (clientId, messageId) => refused.get(clientId)?.has(messageId) === true || ids.has(clientId, messageId),
        hasAny: (clientId) => ids.hasAny(clientId),
        release: async (clientId, messageId) => {
          if (refused.get(clientId)?.delete(messageId) !== true) await ids.release(clientId, messageId);
        },
        releaseAll: (clientId) => ids.releaseAll(clientId),
      },
      topicOf: refusalTopic,
      store: (client, packet) =>
        new Promise((resolve) => {
          this.#take(client, packet, packet.messageId ?? 0, resolve);
        }),
    });
  }

  #rememberRefused(client: Client, messageId: number): void {
    if (client.closed) return;
    const known = this.#refusedIds.get(client.id);
    if (known === undefined) this.#refusedIds.set(client.id, new Set([messageId]));
    else known.add(messageId);
  }

  #authenticate(
    client: Client,
    username: string | undefined,
    password: Uint8Array | undefined,
    done: (error: null, isAccepted: boolean) => void,
  ): void {
    const { authenticate, logger } = this.#dependencies;
    if (authenticate === undefined) {
      done(null, true);
      return;
    }
    authenticate({ clientId: client.id, username, password }).then(
      (allowed) => {
        if (allowed !== null) this.#stateOf(client).allowedUserIds = allowed;
        else this.#closedCount.add(1, { reason: 'login' });
        done(null, allowed !== null);
      },
      (error: unknown) => {
        logger.warn('a device login could not be checked', { code: errorCode(error) });
        done(null, false);
      },
    );
  }

  #authorizePublish(client: Client | null, packet: PublishPacket, done: (error?: Error | null) => void): void {
    // QoS 2 is taken when aedes stores it: by then it has looked whether the id is known.
    if (client === null || packet.qos === 2) queueMicrotask(() => done(null));
    else this.#take(client, packet, null, () => done(null));
  }

  #take(client: Client, packet: PublishPacket, messageId: number | null, acknowledge: () => void): void {
    const payload = typeof packet.payload === 'string' ? Buffer.from(packet.payload) : packet.payload;
    const { allowedUserIds } = this.#stateOf(client);
    this.#dependencies.onPublish({ clientId: client.id, allowedUserIds, payload, messageId }, (refusal) => {
      if (refusal !== null) {
        if (messageId !== null) this.#rememberRefused(client, messageId);
        this.#explain(client, refusal);
      }
      acknowledge();
    });
  }

  #authorizeSubscribe(
    client: Client,
    subscription: Subscription,
    done: (error: null, subscription: Subscription | null) => void,
  ): void {
    const isOwn = plainClientId.test(client.id) && subscription.topic === refusalTopic(client.id);
    if (isOwn) this.#stateOf(client).isSubscribed = true;
    // A null subscription is answered by return code 128 (MQTT 3.1.1 §3.9.3).
    done(null, isOwn ? subscription : null);
  }

  #explain(client: Client, refusal: Refusal): void {
    const state = this.#stateOf(client);
    if (!state.isSubscribed || client.closed) return;
    const second = Math.floor(this.#dependencies.clock.monotonicMs() / 1000);
    if (state.explainedSecond !== second) {
      state.explainedSecond = second;
      state.explainedCount = 0;
    }
    if (state.explainedCount >= this.#limits.explanationsPerSecondMax) return;
    state.explainedCount += 1;
    const payload = Buffer.from(JSON.stringify({ code: refusal.code, explanation: refusal.explanation }));
    const topic = refusalTopic(client.id);
    client.publish({ cmd: 'publish', topic, payload, qos: 0, retain: false, dup: false }, () => {});
  }

  #countClosed(error: Error): void {
    const reason = error instanceof Condition ? error.code : 'protocol';
    this.#closedCount.add(1, { reason });
    this.#dependencies.logger.debug('a device connection ended', { reason });
  }

  #stateOf(client: Client): ClientState {
    let state = this.#clients.get(client);
    if (state === undefined) {
      state = { allowedUserIds: 'any', isSubscribed: false, explainedSecond: -1, explainedCount: 0 };
      this.#clients.set(client, state);
    }
    return state;
  }
}

function routeNowhere(...parameters: readonly unknown[]): void {
  const done = parameters.findLast((parameter) => typeof parameter === 'function');
  done?.(null);
}

/** Lets `guard` see each chunk before aedes' parser does. */
function guardReads(socket: Socket, guard: FrameGuard): void {
  const read = socket.read.bind(socket);
  socket.read = (size?: number) => {
    const chunk: unknown = read(size);
    if (!(chunk instanceof Uint8Array)) return chunk;
    try {
      guard.check(chunk);
      return chunk;
    } catch (error) {
      socket.destroy(error as Condition); // the only thing a guard throws
      return null;
    }
  };
}
