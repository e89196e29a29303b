import type { Timer } from '@pulsemesh/base';
import { frameHeader } from '../../framing.ts';
import { piecesOf } from '../../write-pieces.ts';
import type { CarrierDependencies } from './connect.ts';
import type { ExchangeAnswer, Upload, UploadRequest } from './http-exchange.ts';

/** How long the server's answer to the knock may take, milliseconds: after that something on the way holds bodies up. */
export const knockMsMax = 1_000;
/** How often the age and the use of a body are looked at, milliseconds. */
export const uploadLookMs = 1_000;
/** A body is ended after so many looks: sooner than the server's limit for a request (30 s), and than most boxes'. */
export const uploadLooksMax = 10;
/** How long the answer to a body that was ended may take, milliseconds. */
const answerTimeoutMs = 10_000;

export interface UploadLaneOptions {
  readonly path: string;
  readonly upload: (request: UploadRequest) => Upload;
  /** The knock was answered: packets pass at once. */
  readonly onOpen: () => void;
  readonly onWritable: () => void;
  /** Takes no more packets; what was written goes out. */
  readonly onEnded: () => void;
  /** It does not pass here. `isLossPossible`: packets were written, and may have to be sent again. */
  readonly onFailed: (isLossPossible: boolean) => void;
}

/**
 * Packets upward in the body of one request that goes on, so that each costs a write and not a request. A box may hold such a body up until
 * it ends: nothing but a knock (an empty packet) is written until the server has answered that on the stream.
 */
export class UploadLane {
  readonly #options: UploadLaneOptions;
  readonly #clock: CarrierDependencies['clock'];
  readonly #upload: Upload;
  #state: 'knocking' | 'open' | 'ended' | 'over' = 'knocking';
  #timer: Timer;
  #looks = 0;
  #isUsed = false;
  #hasWritten = false;

  constructor(options: UploadLaneOptions, { clock }: Pick<CarrierDependencies, 'clock'>) {
    this.#options = options;
    this.#clock = clock;
    this.#upload = options.upload({
      path: options.path,
      onDrain: () => {
        if (this.hasRoom) options.onWritable();
      },
    });
    this.#upload.answer.then(
      (answer) => this.#answered(answer),
      () => this.#fail(),
    );
    this.#upload.write([frameHeader(0)]);
    this.#timer = clock.setTimer(() => this.#fail(), knockMsMax);
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  get hasRoom(): boolean {
    return this.#state === 'open' && this.#upload.hasRoom;
  }

  /** The server has answered the knock. */
  knockAnswered(): void {
    if (this.#state !== 'knocking') return;
    this.#state = 'open';
    this.#timer.cancel();
    this.#lookLater();
    this.#options.onOpen();
  }

  /** Only while open. */
  send(packets: readonly Uint8Array[]): void {
    this.#isUsed = true;
    this.#hasWritten = true;
    this.#upload.write(piecesOf(packets, frameHeader));
  }

  /** Cuts it; nothing is told any more. */
  close(): void {
    this.#state = 'over';
    this.#timer.cancel();
    this.#upload.destroy();
  }

  #lookLater(): void {
    this.#timer = this.#clock.setTimer(() => {
      this.#looks += 1;
      const isUsed = this.#isUsed;
      this.#isUsed = false;
      if (isUsed && this.#looks < uploadLooksMax) this.#lookLater();
      else this.#end();
    }, uploadLookMs);
  }

  #end(): void {
    this.#state = 'ended';
    this.#upload.end();
    this.#timer = this.#clock.setTimer(() => this.#fail(), answerTimeoutMs);
    this.#options.onEnded();
  }

  #answered({ status }: ExchangeAnswer): void {
    // An answer before the end is a refusal, whatever it says.
    if (this.#state !== 'ended' || (status !== 200 && status !== 204)) this.#fail();
    else {
      this.#state = 'over';
      this.#timer.cancel();
    }
  }

  #fail(): void {
    if (this.#state === 'over') return;
    this.close();
    this.#options.onFailed(this.#hasWritten);
  }
}
