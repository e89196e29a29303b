import type { ConnectionFacts } from '../../carrier.ts';

/** One POST of a carrier. */
export interface ExchangeRequest {
  /** With its query, from `/` on. */
  readonly path: string;
  readonly body: Uint8Array;
  /** How long the whole answer may take, milliseconds; absent: as long as it likes (a stream). */
  readonly timeoutMs?: number;
  /** Called when an answer with status 200 begins, before its content is there. */
  readonly onHead?: () => void;
  /** A piece of the content of an answer with status 200. */
  readonly onData?: (piece: Uint8Array) => void;
}

export interface ExchangeAnswer {
  readonly status: number;
  /** `Retry-After`, milliseconds, where it was sent as seconds; bounded by `retryAfterMsMax`. */
  readonly retryAfterMs: number | null;
}

/** One POST whose body is written as there is something to say. */
export interface UploadRequest {
  /** With its query, from `/` on. */
  readonly path: string;
  /** There is room again after {@link Upload.hasRoom} was false. */
  readonly onDrain: () => void;
}

/** Its owner ends it with `end` or `destroy`. */
export interface Upload {
  /** False while a piece would only pile up. */
  readonly hasRoom: boolean;
  /** Resolves at the end of the answer, which may come before the body has ended. Rejects as {@link HttpExchange.post} does. */
  readonly answer: Promise<ExchangeAnswer>;
  /** Writes the pieces in one go. */
  write(pieces: readonly Uint8Array[]): void;
  /** Ends the body in good order. */
  end(): void;
  /** Cuts the request and its connection. */
  destroy(): void;
}

/** The longest wait that a server can ask for, milliseconds. */
export const retryAfterMsMax = 300_000;

/** What carriers made of POST requests need: connections of Node's dialer, or a browser's fetch. */
export interface HttpExchange {
  readonly connection: ConnectionFacts;
  /**
   * Sends a POST and resolves at the end of the answer. The content of any other status than 200 is not read.
   * @throws {CarrierError} when the connection failed or broke inside the answer, or time ran out.
   */
  post(request: ExchangeRequest): Promise<ExchangeAnswer>;
  /** Begins a POST whose body goes on. Absent where that cannot be (a browser's fetch over HTTP/1.1). */
  upload?(request: UploadRequest): Upload;
  /** Closes every connection; posts under way reject. May be called twice. */
  close(): void;
}

/** `Retry-After` in its form of seconds. */
export function parseRetryAfter(value: string | null | undefined): number | null {
  if (value === null || value === undefined || !/^\d{1,9}$/.test(value)) return null;
  return Math.min(retryAfterMsMax, Number(value) * 1000);
}
