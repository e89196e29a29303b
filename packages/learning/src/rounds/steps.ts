import { DecodeError } from '@pulsemesh/wire';
import type { Step } from '../party/party.ts';
import { roundLimits } from './limits.ts';

/** What a round starts from, aggregator to site; its hash is on the board. Round 1's is not sent: everybody computes it. */
export const inputStep: Step<Uint8Array> = bytesStep('input');
/** What came of the last round, aggregator to site; its hash is on the board. */
export const resultStep: Step<Uint8Array> = bytesStep('result');

function bytesStep(name: string): Step<Uint8Array> {
  return {
    name,
    encode: (bytes) => bytes,
    decode(bytes) {
      if (bytes.length > roundLimits.inputBytesMax) throw new DecodeError('longer than an input may be');
      return bytes;
    },
  };
}
