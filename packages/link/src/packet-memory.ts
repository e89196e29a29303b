/**
 * Whose memory a packet lies in. A busy session makes tens of megabytes of packets a second outside of V8's heap; V8 meets those with
 * collections of the whole heap, which were a quarter of what an agent did. So a packet is made where its carrier's header fits before
 * it and is not copied on its way out, and what is used up is given back at once. Known by the identity of the buffer: packets from
 * elsewhere are in no set, and are copied and collected as ever.
 */
const roomy = new WeakSet<ArrayBufferLike>();
const taken = new WeakSet<ArrayBufferLike>();
const joined = new WeakSet<ArrayBufferLike>();

/** Before a roomy packet: as much as the longest header, of a WebSocket frame with 8 bytes of length and the mask. */
export const packetRoomBytes = 16;

/** Below this giving back costs more than it saves. */
const freedBytesMin = 2048;

/** Browsers before 2024 cannot give memory back at once. */
const canFree = typeof ArrayBuffer.prototype.transfer === 'function';

/** A packet of zeros for a carrier to take over: it may write its header before it, mask it in place, and free it. */
export function createRoomyPacket(packetBytes: number): Uint8Array {
  const whole = new Uint8Array(packetRoomBytes + packetBytes);
  roomy.add(whole.buffer);
  return whole.subarray(packetRoomBytes);
}

/**
 * The packet with `headerBytes` (up to {@link packetRoomBytes}) before it that are the caller's to write, without a copy. Null where it
 * is not roomy, or was taken before.
 */
export function takeWithRoom(packet: Uint8Array, headerBytes: number): Uint8Array | null {
  if (packet.byteOffset !== packetRoomBytes || !roomy.delete(packet.buffer)) return null;
  if (canFree && packet.length >= freedBytesMin) taken.add(packet.buffer);
  return new Uint8Array(packet.buffer, packetRoomBytes - headerBytes, headerBytes + packet.length);
}

/** Takes note that these bytes were put together from pieces for one packet, and that nothing else lies in their memory. */
export function markJoined(bytes: Uint8Array): void {
  if (canFree && bytes.length >= freedBytesMin && bytes.length === bytes.buffer.byteLength) joined.add(bytes.buffer);
}

/** Frees a packet that was opened, where its memory is known to be its own. */
export function freeIfJoined(bytes: Uint8Array): void {
  if (joined.delete(bytes.buffer)) (bytes.buffer as ArrayBuffer).transfer(0);
}

/** Frees what {@link takeWithRoom} gave; to be called when it is written and nobody reads it any more. */
export function freeIfTaken(bytes: Uint8Array): void {
  if (taken.delete(bytes.buffer)) (bytes.buffer as ArrayBuffer).transfer(0);
}
