import type { ExchangeAnswer, ExchangeRequest, HttpExchange, Upload, UploadRequest } from './http-exchange.ts';

/** One POST that a carrier has made and nobody answered yet. */
export interface ScriptedPost {
  readonly path: string;
  readonly body: Uint8Array;
  /** Gives a piece of content. */
  data(piece: Uint8Array): void;
  /** Begins the answer, for streams. */
  head(): void;
  answer(status: number, retryAfterMs?: number): Promise<void>;
  fail(error: Error): Promise<void>;
}

/** A body that goes on, as a carrier writes it. */
export interface ScriptedUpload {
  readonly path: string;
  /** All that was written. */
  readonly bytes: number[];
  hasRoom: boolean;
  /** There is room again. */
  drain(): void;
  state: 'open' | 'ended' | 'cut';
  answer(status: number): Promise<void>;
  fail(error: Error): Promise<void>;
}

/** An exchange whose answers the test gives. */
export class ScriptedExchange implements HttpExchange {
  readonly connection = {};
  /** Posts in the order they were made, answered ones included. */
  readonly posts: ScriptedPost[] = [];
  readonly uploads: ScriptedUpload[] = [];
  open = 0;
  isClosed = false;

  post(request: ExchangeRequest): Promise<ExchangeAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<ExchangeAnswer>();
    this.open += 1;
    const over = async (settle: () => void) => {
      this.open -= 1;
      settle();
      for (let turn = 0; turn < 4; turn += 1) await Promise.resolve();
    };
    this.posts.push({
      path: request.path,
      body: request.body,
      data: (piece) => request.onData?.(piece),
      head: () => request.onHead?.(),
      answer: (status, retryAfterMs) => over(() => resolve({ status, retryAfterMs: retryAfterMs ?? null })),
      fail: (error) => over(() => reject(error)),
    });
    return promise;
  }

  upload(request: UploadRequest): Upload {
    const { promise, resolve, reject } = Promise.withResolvers<ExchangeAnswer>();
    const settled = async (settle: () => void) => {
      settle();
      for (let turn = 0; turn < 4; turn += 1) await Promise.resolve();
    };
    const scripted: ScriptedUpload = {
      path: request.path,
      bytes: [],
      hasRoom: true,
      state: 'open',
      drain: request.onDrain,
      answer: (status) => settled(() => resolve({ status, retryAfterMs: null })),
      fail: (error) => settled(() => reject(error)),
    };
    this.uploads.push(scripted);
    return {
      answer: promise,
      get hasRoom() {
        return scripted.hasRoom;
      },
      write: (pieces) => {
        for (const piece of pieces) scripted.bytes.push(...piece);
      },
      end: () => {
        scripted.state = 'ended';
      },
      destroy: () => {
        scripted.state = 'cut';
      },
    };
  }

  /** The newest post. */
  get last(): ScriptedPost {
    const post = this.posts.at(-1);
    if (post === undefined) throw new Error('no post was made');
    return post;
  }

  close(): void {
    this.isClosed = true;
  }
}

/** A handler that takes down what it is told. */
export function recordingHandler() {
  const events: string[] = [];
  const packets: Uint8Array[] = [];
  return {
    events,
    packets,
    onPacket: (packet: Uint8Array) => void packets.push(packet),
    onWritable: () => void events.push('writable'),
    onLost: () => void events.push('lost'),
    onClosed: (reason: { readonly code: string } | null) => void events.push(`closed ${reason?.code ?? 'in order'}`),
  };
}
