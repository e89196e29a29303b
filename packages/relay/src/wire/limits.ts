/** Longest fields of the relay's wire, as `relay.proto` states them; what is longer is a `DecodeError`. */
export const relayWireLimits = {
  itemsPerBatchMax: 1024,
  targetsMax: 256,
  envelopeBytesMax: 1024 * 1024,
  inboxesMax: 256,
  offsetsPerAckMax: 4096,
  claimsMax: 64,
  addressesMax: 256,
  topicsMax: 256,
  topicPayloadBytesMax: 64 * 1024,
  windowMessagesMax: 4096,
  windowBytesMax: 16 * 1024 * 1024,
  codeBytesMax: 64,
  tokenBytes: 32,
  epochBytes: 8,
} as const;
