import { type Clock, errorCode } from '@pulsemesh/base';
import { FrameReader } from '../framing.ts';
import type { Exchange } from './exchange.ts';
import { type Refusal, refusals } from './refusal.ts';

export interface BodyLimits {
  /** The limit's name, told in the refusal. */
  readonly limitName: string;
  readonly bytesMax: number;
  readonly requestMs: number;
}

/** A body too long is read on and forgotten up to this many bytes, so that the 413 is seen instead of a reset connection. */
const discardedBytesMax = 4 * 1024 * 1024;

const empty = new Uint8Array(0);

/**
 * Reads a whole body, at most `bytesMax` of it held. `onDone` is called once, with the body or with what to answer; not at all
 * when the connection is cut before.
 */
export function readBody(
  exchange: Exchange,
  limits: BodyLimits,
  deps: { readonly clock: Clock },
  onDone: (body: Uint8Array | null, refusal: Refusal | null) => void,
): void {
  if (isCompressed(exchange)) return void onDone(null, refusals.compressed());
  if (exchange.isBodyless) return void onDone(empty, null);
  const { body } = exchange;
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  const timer = deps.clock.setTimer(() => {
    finish(null, refusals.slow('requestMs', limits.requestMs));
    exchange.destroy();
  }, limits.requestMs);
  let isDone = false;
  const finish = (whole: Uint8Array | null, refusal: Refusal | null) => {
    if (isDone) return;
    isDone = true;
    timer.cancel();
    onDone(whole, refusal);
  };
  body.on('data', (piece: Uint8Array) => {
    bytes += piece.length;
    if (bytes <= limits.bytesMax) pieces.push(piece);
    else {
      pieces.length = 0;
      if (bytes > discardedBytesMax) {
        finish(null, refusals.tooLarge(limits.limitName, limits.bytesMax));
        exchange.destroy();
      }
    }
  });
  body.on('end', () => {
    if (bytes > limits.bytesMax) finish(null, refusals.tooLarge(limits.limitName, limits.bytesMax));
    else finish(pieces.length === 1 ? (pieces[0] as Uint8Array) : Buffer.concat(pieces), null);
  });
  body.on('close', () => {
    isDone = true;
    timer.cancel();
  });
}

/**
 * Reads a body that goes on, packet by packet; holds at most one incomplete packet. `onDone` is called once, at the body's end or with what to
 * answer; not at all when the connection is cut before.
 */
export function readPackets(
  exchange: Exchange,
  limits: { readonly packetBytesMax: number; readonly requestMs: number },
  deps: { readonly clock: Clock },
  handlers: {
    readonly onPacket: (packet: Uint8Array) => void;
    readonly onDone: (refusal: Refusal | null) => void;
  },
): void {
  const { body } = exchange;
  const reader = new FrameReader({ packetBytesMax: limits.packetBytesMax });
  let isDone = false;
  const finish = (refusal: Refusal | null) => {
    if (isDone) return;
    isDone = true;
    timer.cancel();
    handlers.onDone(refusal);
  };
  const timer = deps.clock.setTimer(() => {
    finish(refusals.slow('requestMs', limits.requestMs));
    exchange.destroy();
  }, limits.requestMs);
  body.on('data', (piece: Uint8Array) => {
    if (isDone) return;
    try {
      reader.push(piece, handlers.onPacket);
    } catch (error) {
      // Only the framing is judged here; what a handler throws is a bug and not ours to hide.
      if (errorCode(error) !== 'decode') throw error;
      finish(refusals.malformed());
      exchange.destroy();
    }
  });
  body.on('end', () => finish(reader.isAtBoundary ? null : refusals.malformed()));
  body.on('close', () => {
    isDone = true;
    timer.cancel();
  });
}

/** True where the body is compressed. We take none: a small one could unfold into a large one, or tell about what it holds. */
export function isCompressed(exchange: Exchange): boolean {
  const encoding = exchange.headers['content-encoding'];
  return encoding !== undefined && encoding !== 'identity';
}
