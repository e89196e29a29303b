import { Condition } from '@pulsemesh/base';
import { decodeCbor, encodeCbor } from '@pulsemesh/wire';
import { z } from 'zod';
import { messageLimits } from './message-limits.ts';
import { messageKinds, messageSchemas } from './message-schemas.ts';
import type { MessageBodies, MessageKind } from './messages.ts';

/** A message as it arrived: its kind decides what its body is. */
export type Message = {
  readonly [Kind in MessageKind]: { readonly kind: Kind; readonly body: MessageBodies[Kind] };
}[MessageKind];

/** Something is not a message of consent, or past a limit. Says where, never what stands there. Not retryable. */
export class MessageRefusedError extends Condition {
  override readonly name = 'MessageRefusedError';
  constructor(
    why: 'size' | 'form' | 'kind' | 'body',
    options: { readonly where?: string; readonly cause?: unknown } = {},
  ) {
    const { where, cause } = options;
    super('message-refused', `the message is refused: ${why}${where ? ` (${where})` : ''}`, {
      facts: { why, ...(where ? { where } : {}) },
      ...(cause === undefined ? {} : { cause }),
    });
  }
}

/** First of each message: what shares a mailbox with others is told apart by it. */
const label = 'pulsemesh/consent';
const version = 1;
const depthMax = 8;

/**
 * Deterministic CBOR `[label, version, kind, body]`; amounts travel as decimal digits.
 * @throws {MessageRefusedError} for a body past a limit: what this process makes itself is checked like what it is sent.
 */
export function encodeMessage<Kind extends MessageKind>(kind: Kind, body: MessageBodies[Kind]): Uint8Array {
  const encoded = z.safeEncode(messageSchemas[kind], body as never); // the schema of `kind`, as its type says
  if (!encoded.success) throw new MessageRefusedError('body', { where: placeOf(encoded.error), cause: encoded.error });
  const message = encodeCbor([label, version, kind, encoded.data]);
  if (message.length > messageLimits.messageBytesMax) throw new MessageRefusedError('size');
  return message;
}

/** Hostile bytes in, a checked message out. @throws {MessageRefusedError}. */
export function decodeMessage(bytes: Uint8Array): Message {
  if (bytes.length > messageLimits.messageBytesMax) throw new MessageRefusedError('size');
  const parts = read(bytes);
  if (!Array.isArray(parts) || parts.length !== 4 || parts[0] !== label || parts[1] !== version) {
    throw new MessageRefusedError('form');
  }
  const kind = messageKinds.find((one) => one === parts[2]);
  if (kind === undefined) throw new MessageRefusedError('kind');
  const decoded = messageSchemas[kind].safeParse(parts[3]);
  if (!decoded.success) throw new MessageRefusedError('body', { where: placeOf(decoded.error) });
  return { kind, body: decoded.data } as Message; // the schema of `kind` made the body
}

/** True where the bytes begin as a message of consent does: for whoever shares a mailbox with other protocols. */
export function isConsentMessage(bytes: Uint8Array): boolean {
  return bytes.length >= labelHead.length && labelHead.every((byte, index) => bytes[index] === byte);
}

const labelHead = encodeCbor([label, version, '', null]).subarray(0, 1 + encodeCbor(label).length);

function read(bytes: Uint8Array): unknown {
  try {
    return decodeCbor(bytes, { bytesMax: messageLimits.messageBytesMax, depthMax });
  } catch (cause) {
    throw new MessageRefusedError('form', { cause });
  }
}

/** Names of fields, as schemas know them: never what a peer made up. */
function placeOf(error: z.ZodError): string {
  const [issue] = error.issues;
  if (issue === undefined || issue.code === 'unrecognized_keys') return '';
  return issue.path.map(String).join('.').slice(0, 100);
}
