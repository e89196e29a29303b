import { Condition } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import type { ProtocolName } from './port.ts';

/** No channel to the peer could be made, or the one there was broke. Retryable, at this peer later or at another now. */
export class PeerUnreachableError extends Condition {
  override readonly name = 'PeerUnreachableError';
  readonly peer: PeerId;
  constructor(peer: PeerId, cause?: unknown) {
    super('peer-unreachable', 'the peer could not be reached', { facts: { peer }, retryable: true, cause });
    this.peer = peer;
  }
}

/** The peer is there but does not serve the protocol. Retryable: a starting peer serves its roles one after another. */
export class ProtocolRefusedError extends Condition {
  override readonly name = 'ProtocolRefusedError';
  constructor(peer: PeerId, protocol: ProtocolName, cause?: unknown) {
    super('protocol-refused', `the peer does not serve ${protocol}`, {
      facts: { peer, protocol },
      retryable: true,
      cause,
    });
  }
}

/** The channel was closed or broke. Retryable on a new channel. */
export class ChannelClosedError extends Condition {
  override readonly name = 'ChannelClosedError';
  constructor(cause?: unknown) {
    super('channel-closed', 'the channel is closed', { retryable: true, cause });
  }
}

/** A frame, request or answer longer than the port's `frameBytesMax`. Nothing was sent. */
export class FrameTooLargeError extends Condition {
  override readonly name = 'FrameTooLargeError';
  constructor(frameBytes: number, frameBytesMax: number) {
    super('frame-too-large', `a frame of ${frameBytes} bytes is longer than ${frameBytesMax}`, {
      facts: { frameBytes, frameBytesMax },
    });
  }
}

/** A second handler for a protocol that has one: a bug of the caller's composition, found at start. */
export class ProtocolTakenError extends Condition {
  override readonly name = 'ProtocolTakenError';
  constructor(protocol: ProtocolName) {
    super('protocol-taken', `${protocol} has a handler already`, { facts: { protocol } });
  }
}

/** Somebody (this side or the other) holds all the work it may. Retryable. */
export class BusyError extends Condition {
  override readonly name = 'BusyError';
  constructor(what: string, max: number) {
    super('busy', `${what}: ${max} at once is the limit`, { facts: { what, max }, retryable: true });
  }
}

/** What the other side asked cannot be served as asked; asking again, anywhere, gives the same. */
export class BadRequestError extends Condition {
  override readonly name = 'BadRequestError';
  constructor(message: string) {
    super('bad-request', message);
  }
}

/** The answer to a remote call was a condition: its `code` and `retryable` are the remote's. */
export class RemoteError extends Condition {
  override readonly name = 'RemoteError';
  readonly peer: PeerId;
  constructor(peer: PeerId, code: string, message: string, retryable: boolean) {
    super(code, message, { facts: { peer }, retryable });
    this.peer = peer;
  }
}

/** The network was stopped while somebody waited for it. */
export class NetworkStoppedError extends Condition {
  override readonly name = 'NetworkStoppedError';
  constructor() {
    super('network-stopped', 'the network is stopped');
  }
}
