import type { LinkSession, LinkStream } from '@pulsemesh/link';
import type { InboxId } from '../inbox-id.ts';
import { decodeTopicBatch, encodeIds, encodeTopicBatch } from '../wire/agents.ts';
import type { ClientDependencies } from './types.ts';

export type TopicHandler = (payload: Uint8Array, relay: string) => void;

interface AtRelay {
  readonly session: LinkSession;
  subscribing: LinkStream | null;
  publishing: LinkStream | null;
  isBlocked: boolean;
}

/** Topics at all relays: at most once from each, so a message can come by several; payloads carry what tells them apart. */
export class Subscriptions {
  readonly #handlers = new Map<InboxId, Set<TopicHandler>>();
  readonly #relays = new Map<string, AtRelay>();
  readonly #dependencies: ClientDependencies;

  constructor(dependencies: ClientDependencies) {
    this.#dependencies = dependencies;
  }

  useSession(relay: string, session: LinkSession): void {
    this.#relays.set(relay, { session, subscribing: null, publishing: null, isBlocked: false });
    if (this.#handlers.size > 0) this.#tellTopics(relay);
  }

  publish(topic: InboxId, payload: Uint8Array): void {
    const message = encodeTopicBatch([{ topic, payload }]);
    for (const at of this.#relays.values()) {
      // At most once: what finds no room now is not worth keeping.
      if (at.isBlocked) continue;
      try {
        at.publishing ??= this.#openPublishing(at);
        at.isBlocked = !at.publishing.write(message);
      } catch {
        at.publishing = null;
      }
    }
  }

  #openPublishing(at: AtRelay): LinkStream {
    const stream = at.session.open('topic.publish');
    at.isBlocked = false;
    stream.onDrain(() => {
      at.isBlocked = false;
    });
    const over = () => {
      if (at.publishing === stream) at.publishing = null;
      at.isBlocked = false;
    };
    stream.consume((message) => message === null && over(), over);
    return stream;
  }

  subscribe(topic: InboxId, handler: TopicHandler): Disposable {
    const handlers = this.#handlers.get(topic) ?? new Set();
    const isNew = handlers.size === 0;
    this.#handlers.set(topic, handlers.add(handler));
    if (isNew) this.#tellAll();
    return {
      [Symbol.dispose]: () => {
        handlers.delete(handler);
        if (handlers.size > 0 || this.#handlers.get(topic) !== handlers) return;
        this.#handlers.delete(topic);
        this.#tellAll();
      },
    };
  }

  #tellAll(): void {
    for (const relay of this.#relays.keys()) this.#tellTopics(relay);
  }

  #tellTopics(relay: string): void {
    const at = this.#relays.get(relay);
    if (at === undefined) return;
    try {
      at.subscribing ??= this.#openSubscribing(relay, at);
      at.subscribing.write(encodeIds([...this.#handlers.keys()]));
    } catch {
      at.subscribing = null; // the session is over; the next one asks anew
    }
  }

  #openSubscribing(relay: string, at: AtRelay): LinkStream {
    const stream = at.session.open('topic.subscribe');
    const over = (code: string) => {
      if (at.subscribing === stream) at.subscribing = null;
      this.#dependencies.logger.debug('a stream to a relay broke', { relay, method: 'topic.subscribe', code });
    };
    stream.consume(
      (message) => {
        if (message === null) over('ended');
        else this.#take(relay, message);
      },
      (reason) => over(reason.code),
    );
    return stream;
  }

  #take(relay: string, message: Uint8Array): void {
    let messages: ReturnType<typeof decodeTopicBatch>;
    try {
      messages = decodeTopicBatch(message);
    } catch {
      return; // at most once
    }
    for (const { topic, payload } of messages) {
      for (const handler of this.#handlers.get(topic) ?? []) handler(payload, relay);
    }
  }

  stop(): void {
    for (const { subscribing, publishing } of this.#relays.values()) {
      subscribing?.end();
      publishing?.end();
    }
    this.#relays.clear();
    this.#handlers.clear();
  }
}
