/**
 * Private set intersection with a peer of the local network: which of our topics it reads too, neither side learning of the
 * others. Only topics that their owner opted in on that network are put in. It is given by a package that has one; nothing
 * uses it yet, and topics are found by join queries as everywhere (spec overlay §11).
 */
export interface SetIntersection {
  /** Begins with our own `elements`, 32 bytes each, and a first message for the other side. */
  start(elements: readonly Uint8Array[]): SetIntersectionRun;
}

/** One run of the protocol with one peer. */
export interface SetIntersectionRun {
  /** What to send first, if we begin. */
  readonly first: Uint8Array | undefined;
  /** A message of the other side: what to send back, if anything, and our elements in common once they are known. */
  receive(message: Uint8Array): { readonly reply?: Uint8Array; readonly common?: readonly Uint8Array[] };
}
