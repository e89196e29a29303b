import { decodeCbor, encodeCbor } from '@pulsemesh/wire';
import { BadRequestError } from './errors.ts';

/**
 * What goes over an rpc channel: one message a frame, a deterministic CBOR array whose first element is its
 * kind. Numbers are stable; a new kind gets a new one.
 */
export type RpcMessage =
  | { readonly kind: 'request'; readonly id: number; readonly method: string; readonly body: unknown }
  | { readonly kind: 'answer'; readonly id: number; readonly body: unknown }
  | {
      readonly kind: 'failure';
      readonly id: number;
      readonly code: string;
      readonly message: string;
      readonly retryable: boolean;
    }
  | { readonly kind: 'cancel'; readonly id: number }
  | { readonly kind: 'subscribe'; readonly id: number; readonly method: string; readonly body: unknown }
  | { readonly kind: 'item'; readonly id: number; readonly body: unknown }
  | { readonly kind: 'end'; readonly id: number }
  /** Lets the server push `count` more items. */
  | { readonly kind: 'credit'; readonly id: number; readonly count: number };

const kinds = ['request', 'answer', 'failure', 'cancel', 'subscribe', 'item', 'end', 'credit'] as const;

/** Characters of a method's name, and of a remote condition's code. */
export const methodLengthMax = 64;
/** Characters of a remote condition's text. */
export const failureTextLengthMax = 500;
/** Levels of arrays and maps in a body. */
export const bodyDepthMax = 16;
/** Items a server may push before the first `credit`. */
export const subscriptionItemsMax = 16;

export function encodeRpcMessage(message: RpcMessage): Uint8Array {
  switch (message.kind) {
    case 'request':
      return encodeCbor([0, message.id, message.method, message.body ?? null]);
    case 'answer':
      return encodeCbor([1, message.id, message.body ?? null]);
    case 'failure':
      return encodeCbor([
        2,
        message.id,
        message.code.slice(0, methodLengthMax),
        message.message.slice(0, failureTextLengthMax),
        message.retryable,
      ]);
    case 'cancel':
      return encodeCbor([3, message.id]);
    case 'subscribe':
      return encodeCbor([4, message.id, message.method, message.body ?? null]);
    case 'item':
      return encodeCbor([5, message.id, message.body ?? null]);
    case 'end':
      return encodeCbor([6, message.id]);
    case 'credit':
      return encodeCbor([7, message.id, message.count]);
  }
}

/**
 * Reads one message.
 * @throws {BadRequestError} for anything {@link encodeRpcMessage} cannot have written.
 */
export function parseRpcMessage(frame: Uint8Array): RpcMessage {
  const parts = decode(frame);
  const kind = kinds[parts[0] as number];
  const id = parts[1];
  if (kind === undefined || !isCount(id)) throw new BadRequestError('not an rpc message');
  switch (kind) {
    case 'request':
    case 'subscribe':
      return { kind, id, method: shortText(parts[2], methodLengthMax), body: parts[3] };
    case 'answer':
    case 'item':
      return { kind, id, body: parts[2] };
    case 'failure':
      return {
        kind,
        id,
        code: conditionCode(shortText(parts[2], methodLengthMax)),
        message: shortText(parts[3], failureTextLengthMax),
        retryable: parts[4] === true,
      };
    case 'cancel':
    case 'end':
      return { kind, id };
    case 'credit':
      if (!isCount(parts[2])) throw new BadRequestError('not a credit');
      return { kind, id, count: parts[2] };
  }
}

function decode(frame: Uint8Array): readonly unknown[] {
  let value: unknown;
  try {
    value = decodeCbor(frame, { bytesMax: frame.byteLength, depthMax: bodyDepthMax + 1 });
  } catch {
    throw new BadRequestError('not deterministic CBOR');
  }
  if (!Array.isArray(value)) throw new BadRequestError('not an rpc message');
  return value;
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function shortText(value: unknown, lengthMax: number): string {
  if (typeof value !== 'string' || value.length > lengthMax) throw new BadRequestError('not a short text');
  return value;
}

/** Codes are logged: what a remote gives as one must look like one. */
function conditionCode(text: string): string {
  return /^[a-z0-9-]+$/.test(text) ? text : 'unknown';
}
