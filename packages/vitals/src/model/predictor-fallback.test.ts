import { silentLogger } from '@pulsemesh/base';
import { expect, it, vi } from 'vitest';
import { createPredictor } from './predictor.ts';

vi.mock('onnxruntime-node', () => {
  throw Object.assign(new Error('no such package'), { code: 'ERR_MODULE_NOT_FOUND' });
});

it('computes by itself where onnxruntime-node is missing, unless it was asked for by name', async () => {
  await using predictor = await createPredictor({}, { logger: silentLogger });
  expect(predictor.engine).toBe('builtin');
  await expect(createPredictor({ engine: 'onnxruntime' }, { logger: silentLogger })).rejects.toThrow();
});
