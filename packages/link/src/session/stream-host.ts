import type { Condition } from '@pulsemesh/base';
import type { LinkParty } from '../session.ts';
import type { Item } from '../wire/items.ts';
import type { SessionStream } from './session-stream.ts';

/** What a stream needs of its session. */
export interface StreamHost {
  readonly remote: LinkParty;
  /** False: no more Data for now; `waitForRoom` and be asked again. */
  readonly hasRoom: boolean;
  /** Longest payload of a Data now. */
  readonly dataBytesMax: number;
  readonly messageBytesMax: number;
  readonly streamCreditBytes: number;
  push(item: Item): void;
  /** `pump` is called once there is room. */
  waitForRoom(stream: SessionStream): void;
  /** Books what long messages of all streams take until they are read; false: past the limit. */
  assemble(bytes: number): boolean;
  /** The stream is over in both directions. */
  forget(stream: SessionStream): void;
  /** A handler threw: logged, and the stream is aborted with the condition returned. */
  handlerFailed(error: unknown): Condition;
}
