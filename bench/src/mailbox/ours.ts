import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSystemClock, createSystemRandom, silentLogger } from '@pulsemesh/base';
import { inboxIdOf, type MailboxAck, type MessageToStore, openEngine } from '@pulsemesh/relay';
import { gather } from './batches.ts';
import { type MailboxContender, mailboxCount } from './contender.ts';

const dayMs = 86_400_000;

/** Our mailboxes on an engine, asked as the relay asks it: de-duplication, quotas and receipts' bookkeeping included. */
export async function ourMailboxes(name: string, url: string | undefined): Promise<MailboxContender> {
  const base = await mkdtemp(join(tmpdir(), 'pulsemesh-bench-mailbox-'));
  const clock = createSystemClock();
  const limits = {
    mailboxCountMax: 1_000_000,
    mailboxBytesMax: 2 ** 32,
    mailboxSenderCountMax: 1_000_000,
    mailboxSenderBytesMax: 2 ** 32,
    senderCountMax: 1e7,
    senderBytesMax: 2 ** 40,
  };
  const dependencies = { clock, random: createSystemRandom(), logger: silentLogger };
  const engine = await openEngine(url, { directory: join(base, 'relay'), limits }, dependencies);
  const inboxes = Array.from({ length: mailboxCount }, (_, mailbox) => inboxIdOf(new Uint8Array(16).fill(mailbox + 1)));
  const untilMs = clock.now() + dayMs;
  await engine.claim(inboxes.map((inbox) => ({ inbox, owner: inbox, untilMs, takesStreams: false })));
  const cursors = inboxes.map(() => ({ urgent: 0, normal: 0 }));
  const store = gather<MessageToStore>(
    async (batch) => {
      for (const outcome of await engine.append(batch)) {
        if (outcome.kind === 'refused') throw new Error(`refused: ${outcome.code}`);
      }
    },
    4,
    Number.POSITIVE_INFINITY,
  );
  const remove = gather<MailboxAck>(async (acks) => void (await engine.ack(acks)), 1, Number.POSITIVE_INFINITY);
  return {
    name,
    append: (mailbox, messageId, envelope) => {
      const inbox = inboxes[mailbox] as (typeof inboxes)[number];
      const fixed = { kind: 'message', priority: 'normal', ttlMs: dayMs, receiptTo: null } as const;
      return store({ inbox, messageId, envelope, sender: inbox, ...fixed });
    },
    async fetchAndRemove(mailbox, countMax) {
      const inbox = inboxes[mailbox] as (typeof inboxes)[number];
      const after = cursors[mailbox] as (typeof cursors)[number];
      const { epoch, messages } = await engine.read({ inbox, after, countMax, bytesMax: 2 ** 24 });
      const last = messages.at(-1);
      if (last === undefined) return 0;
      cursors[mailbox] = { urgent: 0, normal: last.offset };
      await remove({ inbox, epoch: epoch ?? '', messages });
      return messages.length;
    },
    async [Symbol.asyncDispose]() {
      await engine[Symbol.asyncDispose]();
      await rm(base, { recursive: true, force: true });
    },
  };
}
