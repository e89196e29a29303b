import { type Clock, sleep } from '@pulsemesh/base';
import type { TransportName } from '../carrier.ts';
import type { Link } from '../client/link.ts';
import type { LinkSession, LinkStream } from '../session.ts';

/** How numbered messages arrived at one end. All zero but `received`: exactly once, in order, to the last. */
export interface SoakCount {
  readonly received: number;
  /** Sent by the other end's own count, and not received. */
  readonly lost: number;
  readonly doubled: number;
  /** Came with a gap before them. */
  readonly displaced: number;
}

export interface SoakResult {
  readonly atAgent: SoakCount;
  readonly atServer: SoakCount;
  /** Moves from one transport to another that came about. */
  readonly moves: number;
  /** Transports that carried. */
  readonly used: readonly TransportName[];
}

export interface SoakOptions {
  /** Each way. */
  readonly messages: number;
  /** At least so many moves: messages go on past `messages` until then. */
  readonly movesMin?: number;
  /** Moved to in turn. */
  readonly transports: readonly TransportName[];
  /** Default 100 ms. */
  readonly moveEveryMs?: number;
  /** Bytes of one message, at least 8. Default 64. */
  readonly messageBytes?: number;
  readonly signal?: AbortSignal;
}

const method = 'soak';
/** The number of the message after the last. */
export const endNumber = 0xffffffff;

/** Lets a session be soaked: it sends numbered messages as long as it receives them, and tells at the end how they came. */
export function serveSoak(session: LinkSession): void {
  session.serve(method, async (stream) => {
    const messageBytes = numberOf(await stream.receive());
    const gate = { isOver: false };
    const sending = sendNumbers(stream, messageBytes, () => !gate.isOver);
    const count = await countNumbers(stream, () => {});
    gate.isOver = true;
    await sending;
    await stream.send(new TextEncoder().encode(JSON.stringify(count)));
    stream.end();
  });
}

/**
 * Sends numbered messages both ways at full speed while the link is moved to the next transport every tenth of a second.
 * @throws what the stream throws: a session that is lost fails the soak.
 */
export async function runSoak(
  link: Link,
  options: SoakOptions,
  { clock }: { readonly clock: Clock },
): Promise<SoakResult> {
  const { messageBytes = 64, movesMin = 0 } = options;
  const wait = options.signal === undefined ? {} : { signal: options.signal };
  const stream = await link.open(method, wait);
  await stream.send(numbered(messageBytes, messageBytes));
  const before = link.session?.status.migrations ?? 0;
  const moves = () => (link.session?.status.migrations ?? 0) - before;
  const used = new Set<TransportName>();
  const stop = new AbortController();
  const moving = moveInTurn(link, options, used, stop.signal, clock);
  let received = 0;
  let sent = 0;
  const isUnfinished = () => {
    sent += 1;
    return sent <= options.messages || received < options.messages || moves() < movesMin;
  };
  const sending = sendNumbers(stream, messageBytes, isUnfinished);
  const atAgent = await countNumbers(stream, () => {
    received += 1;
  });
  await sending;
  stop.abort();
  await moving;
  const told = await stream.receive(wait);
  stream.end();
  // Written by `serveSoak` above, in the same process or an equal one.
  const atServer = JSON.parse(new TextDecoder().decode(told ?? new Uint8Array(0))) as SoakCount;
  return { atAgent, atServer, moves: moves(), used: [...used] };
}

async function moveInTurn(
  link: Link,
  options: SoakOptions,
  used: Set<TransportName>,
  signal: AbortSignal,
  clock: Clock,
): Promise<void> {
  for (let turn = 0; !signal.aborted; turn += 1) {
    const transport = options.transports[turn % options.transports.length] as TransportName;
    // Not waited for: the next wish may overtake it, and one that fails is no failure of the soak.
    link.use(transport).then(
      () => used.add(transport),
      () => {},
    );
    await sleep(clock, options.moveEveryMs ?? 100, { signal }).catch(() => {});
  }
}

async function sendNumbers(stream: LinkStream, messageBytes: number, goesOn: () => boolean): Promise<void> {
  let next = 0;
  while (goesOn()) {
    await stream.send(numbered(next, messageBytes));
    next += 1;
  }
  await stream.send(numbered(endNumber, messageBytes, next));
}

/** Receives numbered messages up to their end, and says how they came. @throws when the stream ends before. */
export async function countNumbers(stream: Pick<LinkStream, 'receive'>, onMessage: () => void): Promise<SoakCount> {
  const count = { received: 0, lost: 0, doubled: 0, displaced: 0 };
  for (let expected = 0; ; ) {
    const message = await stream.receive();
    const number = numberOf(message);
    if (number === endNumber) return { ...count, lost: numberOf(message, 4) - (count.received - count.doubled) };
    count.received += 1;
    if (number < expected) count.doubled += 1;
    if (number > expected) count.displaced += 1;
    expected = Math.max(expected, number + 1);
    onMessage();
  }
}

/** A message that carries a number, and in the last one how many were sent. */
export function numbered(number: number, messageBytes: number, total = 0): Uint8Array {
  const message = new Uint8Array(messageBytes);
  const view = new DataView(message.buffer);
  view.setUint32(0, number);
  view.setUint32(4, total);
  return message;
}

function numberOf(message: Uint8Array | null, at = 0): number {
  if (message === null) throw new Error('the soak ended before its end');
  return new DataView(message.buffer, message.byteOffset).getUint32(at);
}
