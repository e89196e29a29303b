/** A store of mailboxes under load: ours or a peer, each as durable as the others. */
export interface MailboxContender extends AsyncDisposable {
  readonly name: string;
  /** Resolves once the message is on the disk. */
  append(mailbox: number, messageId: Uint8Array, body: Uint8Array): Promise<void>;
  /** Fetches up to `countMax` messages of the mailbox and removes them for good; resolves with how many. */
  fetchAndRemove(mailbox: number, countMax: number): Promise<number>;
}

export const mailboxCount = 64;
const fetchMax = 128;

export interface Round {
  readonly appendsPerSecond: number;
  readonly ackP50Ms: number;
  readonly ackP99Ms: number;
  readonly fetchesPerSecond: number;
}

/** `producers` each wait for one acknowledgement before the next message, for `forMs`; then all is fetched and removed. */
export async function measureRound(
  contender: MailboxContender,
  { producers, forMs, bodyBytes }: { readonly producers: number; readonly forMs: number; readonly bodyBytes: number },
): Promise<Round> {
  const body = new Uint8Array(bodyBytes);
  crypto.getRandomValues(body);
  const waits: number[] = [];
  const startedAt = performance.now();
  const produce = async (producer: number) => {
    while (performance.now() - startedAt < forMs) {
      const askedAt = performance.now();
      await contender.append(producer % mailboxCount, crypto.getRandomValues(new Uint8Array(16)), body);
      waits.push(performance.now() - askedAt);
    }
  };
  await Promise.all(Array.from({ length: producers }, (_, producer) => produce(producer)));
  const appendMs = performance.now() - startedAt;
  const drainedAt = performance.now();
  const fetched = await Promise.all(Array.from({ length: mailboxCount }, (_, mailbox) => drain(contender, mailbox)));
  const fetchMs = performance.now() - drainedAt;
  const total = fetched.reduce((sum, count) => sum + count, 0);
  if (total !== waits.length) throw new Error(`${contender.name}: ${waits.length} acknowledged, ${total} found`);
  waits.sort((one, other) => one - other);
  const at = (share: number) => waits[Math.max(0, Math.ceil(share * waits.length) - 1)] ?? Number.NaN;
  return {
    appendsPerSecond: waits.length / (appendMs / 1000),
    ackP50Ms: at(0.5),
    ackP99Ms: at(0.99),
    fetchesPerSecond: total / (fetchMs / 1000),
  };
}

async function drain(contender: MailboxContender, mailbox: number): Promise<number> {
  let total = 0;
  for (;;) {
    const count = await contender.fetchAndRemove(mailbox, fetchMax);
    if (count === 0) return total;
    total += count;
  }
}
