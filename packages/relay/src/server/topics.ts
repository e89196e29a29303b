import type { LinkStream } from '@pulsemesh/link';
import { decodeTopicBatch, encodeTopicBatch, type TopicMessage } from '../wire/agents.ts';
import { relayWireLimits } from '../wire/limits.ts';
import type { AgentSession, RelayContext } from './context.ts';
import { MalformedError } from './errors.ts';
import { FanOut, serveIds } from './fan-out.ts';

/** Hands messages of a topic to those who are online, at most once; who does not read misses some. */
export class Topics {
  readonly #subscribers = new FanOut<Subscriber>();

  servePublish({ agent, context }: AgentSession, stream: LinkStream): void {
    stream.consume(
      (message) => {
        if (message === null) {
          stream.end();
          return;
        }
        try {
          for (const each of decodeTopicBatch(message)) {
            const isAllowed = agent.messages.take(1) && agent.bytes.take(each.payload.length);
            if (!isAllowed) context.events.topic('dropped', 1);
            else for (const subscriber of this.#subscribers.of(each.topic)) subscriber.tell(each);
          }
        } catch (error) {
          context.events.malformed('topic.publish');
          stream.abort(new MalformedError(error));
        }
      },
      () => {},
    );
  }

  serveSubscribe({ context }: AgentSession, stream: LinkStream): void {
    const listener = new Subscriber(stream, context);
    serveIds(this.#subscribers, stream, { method: 'topic.subscribe', listener, context });
  }
}

/** What a message costs besides its payload while it waits. */
const messageCostBytes = 64;

/** What one turn of the event loop brings goes in one message. */
class Subscriber {
  readonly #stream: LinkStream;
  readonly #context: RelayContext;
  #waiting: TopicMessage[] = [];
  #bytes = 0;
  #isBlocked = false;
  #isAsked = false;

  constructor(stream: LinkStream, context: RelayContext) {
    this.#stream = stream;
    this.#context = context;
    stream.onDrain(() => {
      this.#isBlocked = false;
      this.#flush();
    });
  }

  tell(message: TopicMessage): void {
    const bytes = message.payload.length + messageCostBytes;
    if (this.#waiting.length >= relayWireLimits.itemsPerBatchMax) this.#flush();
    const isFull = this.#bytes + bytes > this.#context.limits.topicBufferBytesMax;
    if (isFull || this.#waiting.length >= relayWireLimits.itemsPerBatchMax) {
      this.#context.events.topic('dropped', 1);
      return;
    }
    this.#waiting.push(message);
    this.#bytes += bytes;
    if (this.#isAsked) return;
    this.#isAsked = true;
    queueMicrotask(() => {
      this.#isAsked = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#isBlocked || this.#waiting.length === 0) return;
    const messages = this.#waiting;
    this.#waiting = [];
    this.#bytes = 0;
    try {
      this.#isBlocked = !this.#stream.write(encodeTopicBatch(messages));
      this.#context.events.topic('handed-on', messages.length);
    } catch {
      this.#isBlocked = true; // the stream is over; its end is told elsewhere
    }
  }
}
