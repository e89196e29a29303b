import type { MailboxEngine, MessageToStore, ReadCursor } from '../engine.ts';
import { type InboxId, parseInboxId } from '../inbox-id.ts';

/** An inbox id made of one number. */
export function inbox(number: number): InboxId {
  return parseInboxId(number.toString(16).padStart(32, '0'));
}

/** A cursor before all messages. */
export const fromStart: ReadCursor = { urgent: 0, normal: 0 };
const sender = inbox(0xa);
const dayMs = 86_400_000;

let messageCount = 0;

/** A message for inbox 1 with a new id; `text` is its envelope. */
export function message(text: string, change: Partial<MessageToStore> = {}): MessageToStore {
  messageCount += 1;
  return {
    inbox: inbox(1),
    messageId: messageIdOf(messageCount),
    sender,
    kind: 'message',
    envelope: new TextEncoder().encode(text),
    priority: 'normal',
    ttlMs: dayMs,
    receiptTo: null,
    ...change,
  };
}

/** 16 bytes made of one number. */
export function messageIdOf(number: number): Uint8Array {
  const bytes = new Uint8Array(16);
  new DataView(bytes.buffer).setUint32(12, number);
  return bytes;
}

/** The envelopes of all messages of an inbox past the cursor, as text, in the order of reading. */
export async function texts(engine: MailboxEngine, of = inbox(1), after = fromStart): Promise<string[]> {
  const { messages } = await engine.read({ inbox: of, after, countMax: 1000, bytesMax: 2 ** 30 });
  return messages.map(({ envelope }) => new TextDecoder().decode(envelope));
}
