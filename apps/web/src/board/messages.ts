import type { AnyBoardEntry } from '@pulsemesh/board';
import type { HeardCheckpoint } from '@pulsemesh/board/client';
import type { TaskView } from '@pulsemesh/learning/view';
import type { BoardPlaceView } from '@pulsemesh/node/api';

/** What passes between the page and whoever follows the board for it, in a thread of its own. */

/** What this browser knows of the board from before. */
export interface Remembered {
  /** The checkpoint it saw last, as a signed note. */
  readonly note: string | null;
  /** A file of evidence that the board lied. */
  readonly evidence: string | null;
}

/** What the page asks for; each is answered once. */
export type Question =
  | {
      readonly ask: 'open';
      readonly place: BoardPlaceView;
      /** Where the gateway serves the board, as `/board`. */
      readonly url: string;
      readonly token: string;
      readonly remembered: Remembered;
    }
  | { readonly ask: 'refresh' }
  | { readonly ask: 'tasks'; readonly nowMs: number }
  | { readonly ask: 'receipt'; readonly index: number }
  | { readonly ask: 'check'; readonly receipt: Uint8Array; readonly leaf: Uint8Array | null };

/** The answer to each question. */
export interface Answers {
  readonly open: null;
  readonly refresh: RefreshEnd;
  readonly tasks: readonly TaskView[];
  readonly receipt: FetchedReceipt;
  readonly check: ReceiptVerdict;
}

/** What a look at the board came to. */
export interface RefreshEnd {
  /** Null: it shows nothing yet that enough witnesses cosigned. */
  readonly head: HeadView | null;
  /** True: what this browser remembers is ahead of what the board shows. */
  readonly isBehindMemory: boolean;
}

/** The newest verified checkpoint. */
export interface HeadView {
  readonly size: number;
  /** 64 hex digits. */
  readonly root: string;
  /** As signed. */
  readonly note: string;
  readonly cosigners: readonly CosignerView[];
}

/** A witness that cosigned, and when by its clock. */
export interface CosignerView {
  readonly name: string;
  readonly atMs: number;
}

/** What shows that the board contradicted itself. */
export interface LieView {
  /** A sentence for people. */
  readonly text: string;
  /** Of the two checkpoints. */
  readonly sizes: readonly [number, number];
  /** The evidence as a file (JSON): a third party checks it with the board's key alone. */
  readonly file: string;
}

/** A receipt and what checking it came to. */
export interface FetchedReceipt {
  readonly bytes: Uint8Array;
  /** Whether the board gave it, or it was made of what this browser has, since the board was out of reach. */
  readonly from: 'board' | 'copy';
  readonly verdict: ReceiptVerdict;
}

/** What checking a receipt came to. */
export type ReceiptVerdict =
  | {
      readonly kind: 'genuine';
      readonly origin: string;
      readonly index: number;
      /** Entries under the receipt's checkpoint. */
      readonly size: number;
      readonly cosigners: readonly CosignerView[];
      /** What the receipt is of; null where it is no entry that this page can read. */
      readonly entry: AnyBoardEntry | null;
      /** Whether its checkpoint fits the board that this page follows. */
      readonly heard: HeardCheckpoint;
    }
  /** The receipt is of an entry that this browser does not have: the entry's bytes are needed, too. */
  | { readonly kind: 'entry-missing'; readonly index: number }
  | { readonly kind: 'refused'; readonly reason: string };

/** What the follower tells unasked. */
export type News =
  | { readonly news: 'entries'; readonly entries: readonly AnyBoardEntry[] }
  | { readonly news: 'lie'; readonly lie: LieView };

export type ToFollower = { readonly id: number } & Question;
export type FromFollower =
  | News
  | { readonly id: number; readonly value: Answers[keyof Answers] }
  | { readonly id: number; readonly error: { readonly code: string; readonly message: string } };

/** One end of the line between page and follower. */
export interface Line<Sent, Got> {
  post(message: Sent): void;
  /** One handler. */
  onMessage(handler: (message: Got) => void): void;
  /** Ends the follower with what it has under way. */
  close(): void;
}
