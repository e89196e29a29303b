import type { LinkStream } from '@pulsemesh/link';
import type { MessageToStore } from '../engine.ts';
import {
  decodeSendBatch,
  encodeSendResults,
  type RefusedTarget,
  type SendItem,
  type SendResult,
} from '../wire/send.ts';
import type { AgentSession } from './context.ts';
import { MalformedError } from './errors.ts';

/** One batch under way: its bytes give credit back when all of it has an answer. */
interface Batch {
  readonly bytes: number;
  waits: number;
}

/** Serves `mailbox.send`: each item is answered once it is durable or refused. */
export function serveSend({ agent, context }: AgentSession, stream: LinkStream): void {
  let results: SendResult[] = [];
  let underWay = 0;
  let hasEnded = false;
  let isBlocked = false;
  let owedBytes = 0;
  let isAsked = false;
  let isBroken = false;
  /** Set by the first refusal that passes: what comes after it on this stream is refused too, so that the order is kept. */
  let refusedWith: string | null = null;
  /** Those refusals: told after the answers of all that came before. */
  let late: (() => void)[] = [];
  // Credit comes back with the answers: who sends faster than the disk takes waits at its own end.
  stream.hold();

  const flush = () => {
    isAsked = false;
    if (isBroken) return;
    if (results.length > 0) {
      isBlocked = !stream.write(encodeSendResults(results));
      results = [];
    }
    if (!isBlocked) giveBack();
    if (hasEnded && underWay === 0) stream.end();
  };
  const ask = () => {
    if (isAsked) return;
    isAsked = true;
    queueMicrotask(flush);
  };
  const giveBack = () => {
    if (owedBytes > 0) stream.release(owedBytes);
    owedBytes = 0;
  };
  const answer = (batch: Batch, result: SendResult) => {
    underWay -= 1;
    results.push(result);
    batch.waits -= 1;
    if (batch.waits === 0) owedBytes += batch.bytes;
    ask();
    if (underWay === late.length) tellLate();
  };
  const tellLate = () => {
    const tell = late;
    late = [];
    for (const each of tell) each();
  };

  const take = (item: SendItem, batch: Batch) => {
    underWay += 1;
    const refused: RefusedTarget[] = [];
    const isAllowed = agent.messages.take(item.to.length) && agent.bytes.take(item.envelope.length * item.to.length);
    if (!isAllowed) refusedWith ??= 'too-fast';
    if (refusedWith !== null) {
      context.events.refused(refusedWith);
      for (const target of item.to.keys()) refused.push({ target, code: refusedWith });
      late.push(() => answer(batch, { ref: item.ref, refused }));
      if (underWay === late.length) tellLate();
      return;
    }
    let waits = item.to.length;
    for (const [target, inbox] of item.to.entries()) {
      context.storing.store(messageOf(item, inbox, agent.address), (code) => {
        if (code === 'busy') refusedWith ??= code;
        if (code !== null) refused.push({ target, code });
        waits -= 1;
        if (waits === 0) answer(batch, { ref: item.ref, refused });
      });
    }
  };

  stream.onDrain(() => {
    isBlocked = false;
    giveBack();
  });
  stream.consume(
    (message) => {
      if (message === null) {
        hasEnded = true;
        ask();
        return;
      }
      try {
        const items = decodeSendBatch(message);
        const batch: Batch = { bytes: message.length, waits: items.length };
        if (items.length === 0) stream.release(message.length);
        for (const item of items) take(item, batch);
      } catch (error) {
        isBroken = true;
        context.events.malformed('mailbox.send');
        stream.abort(new MalformedError(error));
      }
    },
    () => {
      isBroken = true;
    },
  );
}

function messageOf(item: SendItem, inbox: MessageToStore['inbox'], sender: MessageToStore['sender']): MessageToStore {
  return {
    inbox,
    messageId: item.messageId,
    sender,
    kind: 'message',
    envelope: item.envelope,
    priority: item.priority,
    ttlMs: item.ttlSeconds === 0 ? Number.MAX_SAFE_INTEGER : item.ttlSeconds * 1000,
    receiptTo: item.receiptTo,
  };
}
