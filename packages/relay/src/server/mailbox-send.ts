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

/** One message of answers, roughly; past it the next one begins. */
const resultsBytesMax = 64 * 1024;
/** What an answer and each refused target in it take, roughly. */
const resultCostBytes = 24;

/** Serves `mailbox.send`: each item is answered once it is durable or refused. */
export function serveSend(own: AgentSession, stream: LinkStream): void {
  // Right after its first login an agent's address is being claimed: what it sends to itself is not refused meanwhile.
  void own.agent.ready.then(() => new SendStream(own, stream).start());
}

class SendStream {
  readonly #own: AgentSession;
  readonly #stream: LinkStream;
  #results: SendResult[] = [];
  #underWay = 0;
  #owedBytes = 0;
  #hasEnded = false;
  #isBlocked = false;
  #isAsked = false;
  #isBroken = false;
  /** Set by the first refusal that passes: what comes after it on this stream is refused too, so that the order is kept. */
  #refusedWith: string | null = null;
  /** Those refusals: told after the answers of all that came before. */
  #late: (() => void)[] = [];

  constructor(own: AgentSession, stream: LinkStream) {
    this.#own = own;
    this.#stream = stream;
  }

  start(): void {
    const stream = this.#stream;
    // Credit comes back with the answers: who sends faster than the disk takes waits at its own end.
    stream.hold();
    stream.onDrain(() => {
      this.#isBlocked = false;
      this.#flush();
    });
    stream.consume(
      (message) => this.#takeBatch(message),
      () => {
        this.#isBroken = true;
      },
    );
  }

  #takeBatch(message: Uint8Array | null): void {
    if (message === null) {
      this.#hasEnded = true;
      this.#ask();
      return;
    }
    try {
      const items = decodeSendBatch(message);
      const batch: Batch = { bytes: message.length, waits: items.length };
      if (items.length === 0) this.#stream.release(message.length);
      for (const item of items) this.#take(item, batch);
    } catch (error) {
      this.#isBroken = true;
      this.#own.context.events.malformed('mailbox.send');
      this.#stream.abort(new MalformedError(error));
    }
  }

  #take(item: SendItem, batch: Batch): void {
    const { agent, context } = this.#own;
    this.#underWay += 1;
    const isAllowed = agent.messages.take(item.to.length) && agent.bytes.take(item.envelope.length * item.to.length);
    if (!isAllowed) this.#refusedWith ??= 'too-fast';
    if (this.#refusedWith !== null) {
      this.#refuse(item, batch, this.#refusedWith);
      return;
    }
    const refused: RefusedTarget[] = [];
    let waits = item.to.length;
    for (const [target, inbox] of item.to.entries()) {
      context.storing.store(messageOf(item, inbox, agent.address), (code) => {
        if (code === 'busy') this.#refusedWith ??= code;
        if (code !== null) refused.push({ target, code });
        waits -= 1;
        if (waits === 0) this.#answer(batch, { ref: item.ref, refused });
      });
    }
  }

  #refuse(item: SendItem, batch: Batch, code: string): void {
    this.#own.context.events.refused(code);
    const refused = item.to.map((_, target) => ({ target, code }));
    this.#late.push(() => this.#answer(batch, { ref: item.ref, refused }));
    this.#tellLate();
  }

  #answer(batch: Batch, result: SendResult): void {
    this.#underWay -= 1;
    this.#results.push(result);
    batch.waits -= 1;
    if (batch.waits === 0) this.#owedBytes += batch.bytes;
    this.#ask();
    this.#tellLate();
  }

  /** Once nothing but late refusals is under way. */
  #tellLate(): void {
    if (this.#late.length === 0 || this.#underWay > this.#late.length) return;
    const late = this.#late;
    this.#late = [];
    for (const tell of late) tell();
  }

  /** What one turn answers goes in one message. */
  #ask(): void {
    if (this.#isAsked) return;
    this.#isAsked = true;
    queueMicrotask(() => {
      this.#isAsked = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#isBroken) return;
    let told = 0;
    while (told < this.#results.length && !this.#isBlocked) {
      const part = this.#nextPart(told);
      this.#isBlocked = !this.#stream.write(encodeSendResults(part));
      told += part.length;
    }
    this.#results = this.#results.slice(told);
    // What waits to be told is bounded by the credit that is kept back meanwhile.
    if (this.#results.length > 0) return;
    if (!this.#isBlocked) this.#giveBack();
    if (this.#hasEnded && this.#underWay === 0) this.#stream.end();
  }

  /** As many as one message holds: refusals of many targets are longer than what asked for them. */
  #nextPart(from: number): readonly SendResult[] {
    let to = from;
    let bytes = 0;
    while (to < this.#results.length && bytes < resultsBytesMax) {
      bytes += resultCostBytes * (1 + (this.#results[to] as SendResult).refused.length);
      to += 1;
    }
    return this.#results.slice(from, to);
  }

  #giveBack(): void {
    if (this.#owedBytes > 0) this.#stream.release(this.#owedBytes);
    this.#owedBytes = 0;
  }
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
