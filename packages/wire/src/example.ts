import assert from 'node:assert/strict';
import { decodeCbor, encodeCbor, encodeFrame, FrameDecoder, shortContentId } from '@pulsemesh/wire';

const bytes = encodeCbor({ rate: 72.5, beats: [812, 803] });
assert.deepEqual(bytes, encodeCbor({ beats: [812, 803], rate: 72.5 }));
assert.equal(shortContentId(bytes).length, 16);

const decoder = new FrameDecoder({ bytesMax: 1024 });
const [payload] = decoder.push(encodeFrame(bytes));
const value = decodeCbor(payload ?? new Uint8Array(0)) as { rate: number };
assert.equal(value.rate, 72.5);
