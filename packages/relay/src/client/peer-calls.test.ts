import { createSeededRandom, silentLogger, silentMeter } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import type { LinkSession } from '@pulsemesh/link';
import { MethodTakenError } from '@pulsemesh/link';
import { expect, it } from 'vitest';
import { relayClientLimits } from './limits.ts';
import { PeerCalls } from './peer-calls.ts';

it('lives on where something else takes the streams of the link, and takes them again at the next session', () => {
  const warned: string[] = [];
  const logger = { ...silentLogger, warn: (message: string) => void warned.push(message) };
  const deps = { clock: new VirtualClock(), random: createSeededRandom(1), logger, meter: silentMeter };
  const calls = new PeerCalls([], relayClientLimits, deps);
  const served: string[] = [];
  const session = (isTaken: boolean): LinkSession => {
    const fake: Partial<LinkSession> = {
      serve(method) {
        if (isTaken) throw new MethodTakenError(method);
        served.push(method);
        return { [Symbol.dispose]: () => void served.pop() };
      },
    };
    return fake as LinkSession; // all that is used of it
  };
  calls.useSession('relay', session(true));
  expect(warned).toHaveLength(1);
  calls.useSession('relay', session(false));
  expect(served).toEqual(['peer.accept']);
  calls.stop();
  expect(served).toEqual([]);
});
