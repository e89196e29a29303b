import { createSeededRandom, silentLogger } from '@pulsemesh/base';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stepAlert } from '../alerts/engine.ts';
import { defaultAlertPolicy } from '../alerts/policy.ts';
import { initialAlertState } from '../alerts/state.ts';
import { type GeneratedStretch, generateRecording, restingHeart } from '../recordings/generator.ts';
import type { InputKind } from '../windows/window.ts';
import { windowsOf } from './dataset.ts';
import { createPredictor, inputKinds, type Predictor } from './predictor.ts';

describe('generated hearts under the shipped models and policies', () => {
  let predictor: Predictor;
  beforeAll(async () => {
    predictor = await createPredictor({ engine: 'builtin' }, { logger: silentLogger });
  });
  afterAll(() => predictor[Symbol.asyncDispose]());

  /** Seconds after `onsetSeconds` at which each alert's tipping window ended. */
  async function raised(seed: number, stretches: readonly GeneratedStretch[], input: InputKind, onsetSeconds = 0) {
    const random = createSeededRandom(seed);
    const heart = { ...restingHeart, meanRrMs: 700 + random.integer(400), breathsPerMinute: 10 + random.integer(9) };
    const recording = generateRecording({ name: 'g', stretches, heart }, { random });
    let state = initialAlertState;
    const delays: number[] = [];
    for (const prediction of await predictor.predict(windowsOf(recording, input))) {
      const step = stepAlert(state, prediction, defaultAlertPolicy[input], { subjectId: 'g' });
      state = step.state;
      for (const event of step.events) if (event.type === 'raised') delays.push(event.atSeconds + 10 - onsetSeconds);
    }
    return delays;
  }

  it('raise nothing in two hours of sinus rhythm, with or without early beats', async () => {
    for (let seed = 1; seed <= 6; seed += 1) {
      for (const input of inputKinds) {
        for (const rhythm of ['sinus', 'ectopy'] as const) {
          expect(await raised(seed, [{ rhythm, seconds: 7200 }], input), `${rhythm} ${seed} as ${input}`).toEqual([]);
        }
      }
    }
  });

  it('raise one alert within five minutes of fibrillation', async () => {
    const stretches = [
      { rhythm: 'sinus', seconds: 80 },
      { rhythm: 'fibrillation', seconds: 900 },
      { rhythm: 'sinus', seconds: 600 },
    ] as const;
    for (let seed = 1; seed <= 6; seed += 1) {
      for (const input of inputKinds) {
        const delays = await raised(seed, stretches, input, 80);
        expect(delays, `${seed} as ${input}`).toHaveLength(1);
        expect(delays[0]).toBeGreaterThan(0);
        expect(delays[0]).toBeLessThanOrEqual(300);
      }
    }
  });
});
