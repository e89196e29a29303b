export { compareBytes, concatBytes, equalBytes, fromHex, toHex } from './bytes.ts';
export { type DecodeLimits, decodeCbor, decodeLimits, encodeCbor } from './cbor.ts';
export { contentId, shortContentId } from './content-id.ts';
export { DecodeError } from './errors.ts';
export { encodeFrame, FrameDecoder } from './frame.ts';
export { ed25519KeyOf, type PeerId, parsePeerId, peerIdOfEd25519 } from './peer-id.ts';
