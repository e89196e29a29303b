import { Readable } from 'node:stream';
import type { Client, PublishPacket } from 'aedes';

/** Where QoS 2 packet ids lie until the client has released them (MQTT 3.1.1 §4.3.3). */
export interface IncomingIds {
  /** True when the message of this id was taken and not yet released. */
  has(clientId: string, messageId: number): boolean;
  /** True when the client left ids here that it has not released: its session is present. */
  hasAny(clientId: string): boolean;
  /** Forgets the id: resolves once that is durable, for the client may then use the id for another message. */
  release(clientId: string, messageId: number): Promise<void>;
  /** Forgets all ids of a client that begins or ends a clean session. */
  releaseAll(clientId: string): Promise<void>;
}

export interface SessionPersistenceDependencies {
  readonly ids: IncomingIds;
  /** Takes a new QoS 2 message; resolves when it may be answered by PUBREC. */
  readonly store: (client: Client, packet: PublishPacket) => Promise<void>;
  /** The one topic a client may be subscribed to. */
  readonly topicOf: (clientId: string) => string;
}

/**
 * What aedes asks of a persistence (aedes-persistence 11), reduced to what devices that only publish need: the ids of
 * QoS 2 messages under way. Nothing is retained, willed, or queued for the absent, so nothing here grows with what
 * clients send.
 */
export function createSessionPersistence({ ids, store, topicOf }: SessionPersistenceDependencies) {
  const none = () => Readable.from([]);
  const nothing = async () => {};
  const idOf = (packet: { readonly messageId?: number | undefined }) => packet.messageId ?? 0;
  return {
    setup: nothing,
    storeRetained: nothing,
    createRetainedStream: none,
    createRetainedStreamCombi: none,
    addSubscriptions: nothing,
    removeSubscriptions: nothing,
    cleanSubscriptions: nothing,
    // A client that resumes a session gets its one permitted subscription back, which makes aedes answer "session
    // present"; without it a strict client would give up the ids it has under way.
    subscriptionsByClient: async ({ id }: Client) => (ids.hasAny(id) ? [{ topic: topicOf(id), qos: 0 }] : []),
    subscriptionsByTopic: async () => [],
    countOffline: async () => ({ subsCount: 0, clientsCount: 0 }),
    outgoingEnqueue: nothing,
    outgoingEnqueueCombi: nothing,
    outgoingUpdate: nothing,
    outgoingClearMessageId: nothing,
    outgoingStream: none,
    incomingStorePacket: store,
    incomingGetPacket: async ({ id }: Client, packet: PublishPacket) => {
      if (!ids.has(id, idOf(packet))) throw new Error('no such packet');
      return packet;
    },
    incomingDelPacket: ({ id }: Client, packet: PublishPacket) => ids.release(id, idOf(packet)),
    cleanIncoming: ({ id }: Client) => ids.releaseAll(id),
    putWill: nothing,
    getWill: nothing,
    delWill: nothing,
    streamWill: none,
    getClientList: none,
    destroy: nothing,
  };
}
