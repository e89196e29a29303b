import type { Clock, Logger } from '@pulsemesh/base';
import { startInboxHttp } from './http.ts';
import { openMessageStore } from './message-store.ts';
import type { InboxMessage } from './read-message.ts';
import { startInboxSmtp } from './smtp.ts';

export interface InboxOptions {
  /** 0: any free one. */
  readonly smtpPort: number;
  /** 0: any free one. */
  readonly httpPort: number;
  /** Made if missing; the mails stay in it. */
  readonly directory: string;
  /** Past it the oldest mail is dropped. Default 1,000. */
  readonly messagesMax?: number;
  /** Longer mails are refused. Default 256 KiB. */
  readonly messageBytesMax?: number;
}

export interface InboxDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called once a mail is durable; the sender's 250 waits for it. For tests that stop a sender in between. */
  readonly onDurable?: (message: InboxMessage, isNew: boolean) => Promise<void>;
}

/** A running inbox. Dispose to stop. */
export interface Inbox extends AsyncDisposable {
  readonly smtpPort: number;
  readonly httpPort: number;
  /** Address of the page. */
  readonly url: string;
  /** Newest first. */
  messages(): readonly InboxMessage[];
}

const host = '127.0.0.1';
const messageBytesMaxDefault = 256 * 1024;

/**
 * The demo's mail inbox: a mail server on this machine that takes every mail, a page to read them, and
 * `/messages.json`. A mail is durable before its sender hears 250, and a mail offered twice under one Message-ID is
 * taken both times and shown once.
 * @throws what listening or the file system throws.
 */
export async function startInbox(options: InboxOptions, deps: InboxDeps): Promise<Inbox> {
  await using starting = new AsyncDisposableStack();
  const store = await openMessageStore(options, deps);
  const http = starting.use(await startInboxHttp({ host, port: options.httpPort }, { ...deps, store }));
  const onDurable = async (message: InboxMessage, isNew: boolean) => {
    if (isNew) http.announce();
    await deps.onDurable?.(message, isNew);
  };
  const messageBytesMax = options.messageBytesMax ?? messageBytesMaxDefault;
  const smtpOptions = { host, port: options.smtpPort, messageBytesMax };
  const smtp = starting.use(await startInboxSmtp(smtpOptions, { store, logger: deps.logger, onDurable }));
  const stack = starting.move();
  return {
    smtpPort: smtp.port,
    httpPort: http.port,
    url: `http://localhost:${http.port}/`,
    messages: () => store.list(),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
