import { createSeededRandom, silentLogger, silentMeter } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { createRpcClient, freeProtocol } from '@pulsemesh/network';
import { createMemoryNetwork } from '@pulsemesh/network/testing';
import { decodeCbor, encodeCbor } from '@pulsemesh/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { UserId } from '../readings/reading.ts';
import { makeWindow } from '../windows/make-window.ts';
import type { Window } from '../windows/window.ts';
import { encodeWindowForPrediction, parsePredictBody, parsePredictions } from './aggregation/prediction-wire.ts';
import { predictionProtocol, startPredictionRole } from './prediction.ts';

const startSeconds = 1_767_225_600;

function windowOf(count: number): Window {
  const readings = Array.from({ length: count }, (_, second) => ({
    userId: 'somebody' as UserId,
    tMs: (startSeconds + second) * 1000,
    heartRateBpm: 61.5,
    rrMs: [970],
    seq: second,
    confidence: null,
    isStamped: false,
  }));
  return makeWindow(startSeconds, readings);
}

async function start(windowsMax: number) {
  const clock = new VirtualClock();
  const network = createMemoryNetwork({ clock, random: createSeededRandom(1) });
  const waiting: (() => void)[] = [];
  const predictor = {
    modelId: () => 'model',
    predict: async (windows: readonly Window[]) => {
      await new Promise<void>((resolve) => waiting.push(resolve));
      return windows.map(({ startSeconds: start, input }) => ({
        startSeconds: start,
        input,
        score: 0.5,
        modelId: 'm',
      }));
    },
  };
  const port = network.join({ roles: ['prediction'] });
  const role = await startPredictionRole({ windowsMax }, { port, predictor, logger: silentLogger, meter: silentMeter });
  const asker = network.join({ roles: [] });
  const rpc = createRpcClient({ port: asker, clock });
  const predict = (count: number) => {
    const windows = Array.from({ length: count }, () => encodeWindowForPrediction(windowOf(10)));
    return rpc.call(port.self, predictionProtocol, 'predict', { windows });
  };
  const isFree = () => rpc.call(port.self, freeProtocol('prediction'), 'ask', null, { timeoutMs: 100 });
  return { clock, role, predict, isFree, waiting };
}

describe('the prediction role', () => {
  it('answers one prediction for each window', async () => {
    const { clock, role, predict, waiting } = await start(10);
    const asked = predict(2);
    await clock.advance(10);
    for (const settle of waiting) settle();
    const window = windowOf(10);
    expect(parsePredictions(await asked, [window, window])).toHaveLength(2);
    expect(role.status()).toEqual({ windowsWaiting: 0, windowsPredicted: 2, callsRefused: 0 });
  });

  it('is silent when asked whether it is free, and refuses, while it has all it may', async () => {
    const { clock, predict, isFree, waiting } = await start(3);
    const first = predict(3);
    await clock.advance(10);
    await expect(predict(1)).rejects.toMatchObject({ code: 'prediction-busy', retryable: true });
    const silent = isFree();
    silent.catch(() => {});
    await clock.advance(200);
    await expect(silent).rejects.toMatchObject({ code: 'timeout' });
    for (const settle of waiting) settle();
    await first;
    expect(await isFree()).toBe(true);
  });
});

describe('windows on the wire', () => {
  it('arrive as they were, without a name', () => {
    const window = windowOf(7);
    const [arrived] = parsePredictBody(decodeCbor(encodeCbor({ windows: [encodeWindowForPrediction(window)] })));
    expect(arrived?.quality).toEqual(window.quality);
    expect(arrived?.readings.map(({ tMs, heartRateBpm, rrMs }) => [tMs, heartRateBpm, rrMs])).toEqual(
      window.readings.map(({ tMs, heartRateBpm, rrMs }) => [tMs, heartRateBpm, rrMs]),
    );
    expect(JSON.stringify(encodeWindowForPrediction(window))).not.toContain('somebody');
  });

  it('are refused in any other shape', () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        expect(() => parsePredictBody({ windows: [value] })).toThrow();
        expect(() => parsePredictions(value, [windowOf(1)])).toThrow();
      }),
    );
  });
});
