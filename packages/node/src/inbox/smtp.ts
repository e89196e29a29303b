import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { errorCode, type Logger } from '@pulsemesh/base';
import { SMTPServer } from 'smtp-server';
import type { MessageStore } from './message-store.ts';
import type { InboxMessage } from './read-message.ts';

export interface InboxSmtpOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Longer mails are refused (552). */
  readonly messageBytesMax: number;
}

export interface InboxSmtpDeps {
  readonly store: MessageStore;
  readonly logger: Logger;
  /** Called once a mail is durable and before the 250; the answer waits for it. */
  readonly onDurable: (message: InboxMessage, isNew: boolean) => Promise<void>;
}

export interface InboxSmtp extends AsyncDisposable {
  readonly port: number;
}

const clientsMax = 20;
const recipientsMax = 100;
const silenceMs = 30_000;
/** How long stopping waits for clients in the middle of a mail; they offer it again. */
const closeMs = 200;

/** A mail server that takes every mail for anybody and delivers none: 250 once the mail is durable. */
export async function startInboxSmtp(options: InboxSmtpOptions, deps: InboxSmtpDeps): Promise<InboxSmtp> {
  const { store, logger } = deps;
  const server = new SMTPServer({
    name: 'pulsemesh-inbox',
    banner: 'Pulsemesh demo inbox',
    size: options.messageBytesMax,
    authOptional: true,
    disabledCommands: ['AUTH', 'STARTTLS'],
    disableReverseLookup: true,
    maxClients: clientsMax,
    socketTimeout: silenceMs,
    closeTimeout: closeMs,
    logger: false,
    onRcptTo(_address, session, callback) {
      callback(session.envelope.rcptTo.length >= recipientsMax ? smtpError(452, 'Too many recipients') : null);
    },
    onData(stream, _session, callback) {
      collect(stream, options.messageBytesMax)
        .then(async (raw) => {
          if (raw === null) return callback(smtpError(552, 'Message too long'));
          const { message, isNew } = await store.add(raw);
          await deps.onDurable(message, isNew);
          callback(null, 'Taken');
        })
        .catch((error: unknown) => {
          logger.error('a mail could not be kept', { code: errorCode(error) });
          callback(smtpError(451, 'Try again later'));
        });
    },
  });
  // A client that breaks off is no event; a server that cannot listen rejects below.
  server.on('error', (error) => logger.debug('inbox client error', { code: errorCode(error) }));
  const listening = server.listen(options.port, options.host);
  await once(listening, 'listening');
  const { port } = server.server.address() as AddressInfo; // listening on a TCP port
  return {
    port,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}

/** All of a stream, or null when it is longer than `bytesMax`: then it is read to its end and thrown away. */
async function collect(stream: AsyncIterable<Buffer>, bytesMax: number): Promise<Uint8Array | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    bytes += chunk.length;
    if (bytes <= bytesMax) chunks.push(chunk);
    else chunks.length = 0;
  }
  return bytes <= bytesMax ? Buffer.concat(chunks) : null;
}

function smtpError(responseCode: number, message: string): Error {
  return Object.assign(new Error(message), { responseCode });
}
