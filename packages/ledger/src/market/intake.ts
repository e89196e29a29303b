import type { TableChange } from '@pulsemesh/store';
import type { PeerId } from '@pulsemesh/wire';
import type { MarketEvents } from './market-events.ts';
import { decodeMessage, type Message, MessageRefusedError } from './message-codec.ts';
import type { Post } from './post.ts';

/** What an office does with a message; null: nothing, it is none for this office. */
export type TakeMessage = (from: PeerId, message: Message, mark: readonly TableChange[]) => Promise<void> | null;

/** What takes in an office's messages. */
export interface IntakeMeans {
  readonly post: Post<readonly TableChange[]>;
  readonly events: MarketEvents;
  /** Commits a mark alone. */
  readonly markOnly: (mark: readonly TableChange[]) => Promise<void>;
  /** Once this is aborted nothing more is taken. */
  readonly signal: AbortSignal;
}

/** Gives an office what comes by the post and is a message; the rest is counted, and marked all the same: what is no message now will be none tomorrow. */
export function takeIn({ post, events, markOnly, signal }: IntakeMeans, take: TakeMessage): void {
  post.receive(async (from, bytes, mark) => {
    signal.throwIfAborted();
    const message = readMessage(bytes, events);
    const taking = message === null ? null : take(from, message, mark);
    if (message !== null && taking === null) events.refused('not-for-here');
    await (taking ?? markOnly(mark));
    return 'marked';
  });
}

function readMessage(bytes: Uint8Array, events: MarketEvents): Message | null {
  try {
    return decodeMessage(bytes);
  } catch (error) {
    if (!(error instanceof MessageRefusedError)) throw error;
    events.refused('not-a-message');
    return null;
  }
}
