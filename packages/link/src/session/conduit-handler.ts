import type { Clock, Condition } from '@pulsemesh/base';
import type { PacketCipher } from '@pulsemesh/crypto';
import type { Batch, Item } from '../wire/items.ts';
import type { CarrierSlot } from './carrier-slot.ts';
import type { SessionEvents } from './session-events.ts';

/** What a conduit tells its session. Called synchronously. */
export interface ConduitHandler {
  /** The next item in order. */
  onItem(item: Item): void;
  /** There is room again after `hasRoom` was false. */
  onRoom(): void;
  /** An authentic, new packet came; called before its items are given. */
  onBatch(slot: CarrierSlot, batch: Batch): void;
  /** The other end is done; called after the items of its last batch were given. */
  onClose(): void;
  /** A pong came on this carrier: it is proven. */
  onProven(slot: CarrierSlot): void;
  /** Everything given was acknowledged. */
  onAllAcknowledged(): void;
  /** The other end broke the protocol, or reads no more: the session cannot go on. */
  onBroken(reason: Condition): void;
  /** A carrier can no longer be used. */
  onUnusable(slot: CarrierSlot, reason: Condition): void;
}

export interface ConduitOptions {
  readonly unackedBytesMax: number;
  readonly earlyBytesMax: number;
}

export interface ConduitDependencies {
  readonly clock: Clock;
  readonly events: SessionEvents;
  /** Runs the action at the end of this turn of the event loop. */
  readonly defer: (action: () => void) => void;
}

/** Keys and name of a session, known after the handshake. */
export interface SessionKeys {
  /** 16 bytes. */
  readonly session: Uint8Array;
  readonly sealing: PacketCipher;
  readonly opening: PacketCipher;
}
