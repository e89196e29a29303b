/** Longest fields of the link's wire; a longer one is a `DecodeError` before anything is allocated. Stated in `link.proto`. */
export const wireLimits = {
  /** A whole packet, whatever a carrier could move. */
  packetBytesMax: 256 * 1024,
  itemsPerBatchMax: 8192,
  /** Payload of one Data. */
  dataBytesMax: 16 * 1024,
  methodBytesMax: 64,
  codeBytesMax: 64,
  textBytesMax: 512,
  softwareBytesMax: 128,
  certificatesMax: 8,
  certificateBytesMax: 8 * 1024,
  invitationBytesMax: 4 * 1024,
  welcomeCoreBytesMax: 1024,
} as const;

/** Bytes that `Sealed` and `Packet` put around a batch, the seal's tag included; at most. */
export const sealedOverheadBytes = 1 + 4 + 2 + 16 + 1 + 8 + 1 + 4 + 16;
