import type { LinkStream } from '@pulsemesh/link';
import type { InboxId } from '../inbox-id.ts';
import { decodeIds } from '../wire/agents.ts';
import type { RelayContext } from './context.ts';
import { MalformedError } from './errors.ts';

/** Who is told about which id: presence by address, messages by topic. */
export class FanOut<Listener> {
  readonly #listeners = new Map<InboxId, Set<Listener>>();

  /** Puts `ids` in the place of `before`. */
  replace(listener: Listener, before: readonly InboxId[], ids: readonly InboxId[]): void {
    for (const id of before) {
      const listeners = this.#listeners.get(id);
      listeners?.delete(listener);
      if (listeners?.size === 0) this.#listeners.delete(id);
    }
    for (const id of ids) {
      const listeners = this.#listeners.get(id) ?? new Set();
      this.#listeners.set(id, listeners.add(listener));
    }
  }

  of(id: InboxId): Iterable<Listener> {
    return this.#listeners.get(id) ?? [];
  }

  get size(): number {
    return this.#listeners.size;
  }
}

/** What a stream that names ids is served with. */
export interface IdStream<Listener> {
  readonly method: string;
  readonly listener: Listener;
  readonly context: RelayContext;
  /** The ids it names now, in the place of those before. */
  readonly onNamed?: (ids: readonly InboxId[]) => void;
}

/** Serves a stream whose every message names all the ids it wants to hear of, until it ends; malformed ones break it. */
export function serveIds<Listener>(
  fanOut: FanOut<Listener>,
  stream: LinkStream,
  { method, listener, context, onNamed = () => {} }: IdStream<Listener>,
): void {
  let named: readonly InboxId[] = [];
  const name = (ids: readonly InboxId[]) => {
    fanOut.replace(listener, named, ids);
    named = ids;
  };
  stream.consume(
    (message) => {
      if (message === null) {
        name([]);
        stream.end();
        return;
      }
      try {
        name(decodeIds(message));
      } catch (error) {
        name([]);
        context.events.malformed(method);
        stream.abort(new MalformedError(error));
        return;
      }
      onNamed(named);
    },
    () => name([]),
  );
}
